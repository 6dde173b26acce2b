"""Notices as receivers read them, and the table of their deliveries: pure, one form a module."""
