"""Verbs of the exchange room: the table, the routes, the client context."""
