"""Run a model on a device, record data, and inspect the device's store."""

EXAMPLE = "status --store /var/lib/edgewright"
