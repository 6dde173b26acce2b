"""Detection: the end-user id is missing."""
