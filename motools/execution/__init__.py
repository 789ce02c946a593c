"""One step: a known result put back, or the function executed in a worker."""
