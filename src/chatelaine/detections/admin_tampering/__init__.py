"""Detection: somebody tampers with logs, limits or the clock."""
