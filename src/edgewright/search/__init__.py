"""The simplest thing that works: the ladder, the adviser, the search under a budget, and learning curves."""
