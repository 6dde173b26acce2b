"""Detection: many variants of one prompt."""
