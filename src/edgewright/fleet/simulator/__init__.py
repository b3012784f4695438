"""A fleet in one process: real agents against the real control plane; with simulated time, network, disk and models."""
