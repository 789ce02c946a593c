"""Evaluation with Inspect."""
