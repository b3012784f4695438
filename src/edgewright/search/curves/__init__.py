"""Learning curves: what more data or a larger model is worth, said before it is paid for."""
