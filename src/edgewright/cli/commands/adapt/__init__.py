"""Let a package learn on its device from a few labelled examples, and see before deployment what it gains."""

EXAMPLE = "simulate runs/watch --examples 65s"
