"""Detection: several new networks at once while the owner is at work."""
