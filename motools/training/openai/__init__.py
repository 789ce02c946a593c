"""Fine-tuning at OpenAI."""
