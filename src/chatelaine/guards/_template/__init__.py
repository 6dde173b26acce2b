"""The form of a guard: copy this folder."""
