"""Verbs of the incident room: alerts join incidents, which move along their table and are told."""
