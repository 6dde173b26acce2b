"""Detection: use in hours that are not the key's."""
