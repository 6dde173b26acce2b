"""Provider: OpenAI, and every server compatible with it (vLLM, llama.cpp, Ollama, LiteLLM)."""
