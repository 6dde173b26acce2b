"""Provider: Anthropic Messages."""
