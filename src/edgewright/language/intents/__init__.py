"""Training what recognises intents: a hashed int8 student for devices, a linear head on embeddings for gateways."""
