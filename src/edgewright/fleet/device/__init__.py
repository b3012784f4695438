"""The agent on the device: follows signed plans, keeps two package slots, runs trials and rolls back."""
