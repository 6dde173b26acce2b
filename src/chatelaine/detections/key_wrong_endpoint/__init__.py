"""Detection: a call that the model cannot answer, by a client that is new to the key."""
