"""Detection: one client that tries many tokens which prove no key."""
