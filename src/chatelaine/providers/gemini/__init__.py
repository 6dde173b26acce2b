"""Provider: Google Gemini."""
