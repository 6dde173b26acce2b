"""The foreign client is refused, and the owner goes on."""
