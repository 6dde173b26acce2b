"""Detection: a tiny call to a new model, and what follows."""
