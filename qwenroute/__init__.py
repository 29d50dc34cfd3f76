"""Pick the right Qwen model for each request."""
