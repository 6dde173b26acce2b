"""Detection: the rate of blocked prompts jumps."""
