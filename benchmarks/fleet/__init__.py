"""What a fleet's control plane and agent reach on this machine."""
