"""Somebody is told, and nothing is held back."""
