"""What devices, the server and the simulator of a fleet share: keys, plans, signed metadata and wire formats."""
