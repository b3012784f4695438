"""Model selection: the complexity ladder, the adviser, architecture search under a budget, and learning curves."""
