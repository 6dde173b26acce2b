"""Drivers: one a room, thin; they receive what they need as arguments."""
