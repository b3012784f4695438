"""Runs on a device: sources, the agent, rules, the store, sinks and boards."""
