"""Detection: one system prompt under the keys of several owners."""
