"""Ready workflows."""
