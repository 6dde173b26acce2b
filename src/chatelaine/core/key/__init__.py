"""Verbs of the key room: tokens, the life cycle, grants."""
