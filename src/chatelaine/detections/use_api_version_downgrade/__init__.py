"""Detection: an api-version older than any the key uses."""
