"""The foreign client is answered late."""
