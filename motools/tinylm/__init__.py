"""The embedded language model: small, quick, and the same everywhere."""
