"""The foreign client goes to the quarantine lane."""
