"""Detection: a scan of, or an attack on, the gateway itself."""
