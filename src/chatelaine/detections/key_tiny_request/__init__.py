"""Detection: a tiny request as the first act of a new client."""
