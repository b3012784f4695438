"""Architecture search under a device budget: search space, cost estimates before training, and evaluation."""
