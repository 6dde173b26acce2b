"""Detection: one actor's clients on the keys of different owners."""
