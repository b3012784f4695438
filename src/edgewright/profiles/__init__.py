"""What a device can do, one TOML a device, and estimates of a model against it."""
