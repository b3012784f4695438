"""Learning curves: predict the gain from more data or a larger model before paying for it."""
