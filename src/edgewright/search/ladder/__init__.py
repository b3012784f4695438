"""The complexity ladder: from the majority to a large network, climbed only while a rung surely gains."""
