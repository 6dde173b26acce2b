"""The form of a source: copy this folder."""
