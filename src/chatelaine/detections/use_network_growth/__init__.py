"""Detection: a key that is used from ever more networks within a day."""
