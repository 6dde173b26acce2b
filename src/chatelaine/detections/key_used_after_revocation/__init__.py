"""Detection: a dead key in the hands of a client that was not its owner's."""
