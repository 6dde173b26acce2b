"""Detection: the thief of an old key on a new one."""
