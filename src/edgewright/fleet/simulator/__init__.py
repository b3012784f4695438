"""A fleet in one process: real agents against the real control plane; time, network, disk and models are simulated."""
