"""Give services of a gateway rights at its broker, and keep shadows of devices that Home Assistant finds."""

EXAMPLE = "rights bus.toml --out broker"
