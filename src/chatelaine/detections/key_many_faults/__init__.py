"""Detection: one faulty request after another, each different."""
