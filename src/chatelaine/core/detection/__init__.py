"""The detection room: what is foreign in the traffic of a key."""
