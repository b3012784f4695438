"""Search under a device's budget: what may vary, what it costs before it is trained, and what it is worth."""
