"""Detection: the pace of a resale proxy."""
