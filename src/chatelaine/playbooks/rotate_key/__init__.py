"""The key is replaced, with an overlap in which both tokens work."""
