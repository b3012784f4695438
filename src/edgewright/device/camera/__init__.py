"""A watching camera: motion in integers, people among what moves, zones with hours, lines, and events that expire."""
