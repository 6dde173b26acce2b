"""Detection: many programs' names on one TLS client at one place."""
