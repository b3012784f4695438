"""Labels from one-line descriptions, without examples: of texts, pictures and sounds, by vectors of an encoder."""
