"""Detection: many languages at once."""
