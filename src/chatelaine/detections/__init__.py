"""Shelf: what is looked for in events, one folder a detection."""
