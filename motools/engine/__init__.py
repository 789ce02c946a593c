"""A pipeline: what must run, running it in parallel, and proving that nothing must."""
