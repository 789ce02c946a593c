"""A workflow becomes a pipeline's files, and each step gets its key."""
