"""Shelf: judges of content, one folder a guard."""
