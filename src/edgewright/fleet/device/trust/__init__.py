"""Signed metadata on the device: verification, durable storage and protection against older versions."""
