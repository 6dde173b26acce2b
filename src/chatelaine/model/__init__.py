"""Nouns: frozen values, one module a room, and the words all rooms share."""
