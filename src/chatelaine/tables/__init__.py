"""Embedded tables: prices by date, networks by address; files only, no code."""
