"""Detection: a new client takes the known client's quota."""
