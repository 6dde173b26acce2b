"""The policy room: what holds an exchange back, and how far."""
