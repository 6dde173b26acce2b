"""The form of a playbook: copy this folder."""
