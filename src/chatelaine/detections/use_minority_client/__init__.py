"""Detection: a small, different client beside the owner's."""
