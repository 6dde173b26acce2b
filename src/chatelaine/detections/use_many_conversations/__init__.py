"""Detection: many people's conversations behind one key."""
