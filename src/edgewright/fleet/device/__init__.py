"""On the device: follows signed plans, keeps two slots, watches a new package through its trial and goes back."""
