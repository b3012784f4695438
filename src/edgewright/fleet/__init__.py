"""A fleet: signed releases and rollouts, the agent that follows them, the control plane, and a simulator of all."""
