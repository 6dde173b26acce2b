"""Detection: the exact empty request by which a resale proxy checks Azure keys."""
