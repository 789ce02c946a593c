"""Dataset loaders, one file a source; each returns chat rows."""
