"""Detection: one client that checks keys of several owners at once."""
