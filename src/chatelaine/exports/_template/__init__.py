"""The form of an export: copy this folder."""
