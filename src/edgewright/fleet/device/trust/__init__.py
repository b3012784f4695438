"""The device's side of the signed metadata: verified, kept durably, never older than before."""
