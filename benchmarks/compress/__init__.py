"""What smaller forms of a network cost and save: bytes of small and large networks, and people never seen."""
