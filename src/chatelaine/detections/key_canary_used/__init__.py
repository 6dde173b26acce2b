"""Detection: a planted key that somebody uses."""
