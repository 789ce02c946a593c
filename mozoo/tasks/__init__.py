"""Inspect tasks, one file a task family; inspect_ai is imported inside the functions."""
