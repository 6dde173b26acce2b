"""Detection: forwarding headers that nobody vouches for."""
