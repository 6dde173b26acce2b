"""Detection: an impossible output cap with next to no text."""
