"""Rollouts: transitions, gates, and the scheduler that advances them."""
