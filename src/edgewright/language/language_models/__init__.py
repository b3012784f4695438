"""Language models in GGUF files: the one place that runs them, the one client, and what is done with their answers."""
