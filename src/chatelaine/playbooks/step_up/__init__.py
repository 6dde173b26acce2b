"""The foreign client is held back until the owner says that it is theirs."""
