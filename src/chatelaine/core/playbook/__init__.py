"""Verbs of the playbook room: alerts become plans, which are rehearsed, and actions move on."""
