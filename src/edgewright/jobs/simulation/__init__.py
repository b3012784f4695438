"""Policies in simulated environments: planners that label, shields that limit, episodes that judge."""
