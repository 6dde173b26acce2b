"""Detection: one new cap on many prompts."""
