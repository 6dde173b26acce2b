"""The composition root: settings, wire, processes."""
