"""The learned optimiser: its training on small networks, and its judgement on task families left out."""
