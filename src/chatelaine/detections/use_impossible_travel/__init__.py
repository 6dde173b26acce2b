"""Detection: a key in two countries within an hour."""
