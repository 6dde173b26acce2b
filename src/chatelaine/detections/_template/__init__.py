"""The form of a detection: copy this folder."""
