"""Rollouts: transitions, gates, and the scheduler that moves them on."""
