"""What everything stands on: files, YAML, checked configs, locks, chat rows, secrets."""
