"""Detection: the shape of a coding agent."""
