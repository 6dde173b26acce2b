"""Verbs: pure functions and state tables; no clock, no chance, no sockets."""
