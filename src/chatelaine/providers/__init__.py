"""Shelf: dialects of the wire, one folder a provider."""
