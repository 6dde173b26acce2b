"""Provider: Azure OpenAI, both by deployment and by the `/openai/v1/` paths."""
