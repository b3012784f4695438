"""Times of rows: the texts and numbers that stand for them, and columns of them as they come."""
