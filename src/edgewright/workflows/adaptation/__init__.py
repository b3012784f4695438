"""Learning on the device, judged before deployment."""
