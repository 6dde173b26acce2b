"""The simulator: owners with habits, thieves with scripts, and what a gate would have recorded of them."""
