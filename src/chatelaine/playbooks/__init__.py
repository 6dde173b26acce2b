"""Shelf: what is done about an alert, one folder a playbook."""
