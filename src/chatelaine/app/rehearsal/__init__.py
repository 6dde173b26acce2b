"""The demo's own house: a model server, a gate, apps, and what was recorded of them."""
