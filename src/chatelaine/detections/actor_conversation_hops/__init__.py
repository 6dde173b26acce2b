"""Detection: a conversation hops between the keys of different owners."""
