"""A fleet: signed releases and rollouts, the device agent, the control plane, and a simulator of all three."""
