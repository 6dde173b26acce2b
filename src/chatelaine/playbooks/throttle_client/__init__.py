"""The foreign client gets a low rate of its own."""
