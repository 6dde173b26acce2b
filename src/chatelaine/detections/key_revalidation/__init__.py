"""Detection: checks of a key that come back in a rhythm."""
