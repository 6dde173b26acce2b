"""Detection: system prompts drift."""
