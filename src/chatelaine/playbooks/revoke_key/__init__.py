"""The key is stopped for good."""
