"""Detection: a key's first image, audio or video."""
