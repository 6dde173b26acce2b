"""A canary answers with a fixed, harmless text."""
