"""The key's owner is told."""
