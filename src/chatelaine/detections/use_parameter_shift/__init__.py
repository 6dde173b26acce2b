"""Detection: the habit of streaming or tools turns."""
