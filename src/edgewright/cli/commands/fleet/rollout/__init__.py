"""Start, pause, resume, abort or show the staged rollout of a signed release."""

EXAMPLE = "start --fleet my-fleet --find-within 24h"
