"""Detection: the rate at which a key burns money."""
