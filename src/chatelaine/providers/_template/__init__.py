"""The form of a provider: copy this folder."""
