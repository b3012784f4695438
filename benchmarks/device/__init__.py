"""What the agent costs: `python -m benchmarks.device`."""
