"""Shelf: readers of foreign logs, one folder a source."""
