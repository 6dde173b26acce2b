"""Detection: one small question, put by a new client to find out what answers."""
