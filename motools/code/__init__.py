"""Python code: found by name, read, and compared with what an execution used of it."""
