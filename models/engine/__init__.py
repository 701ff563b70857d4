"""The engine: what is asked of it, vLLM behind it, and what keeps it answering."""
