"""The meaning of a plan and its standing: cohorts, a device's place, when it may activate, and gate results."""
