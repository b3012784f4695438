"""Classify by the nearest of a few examples, on a package's features; add labels on the device without training."""

EXAMPLE = "learn runs/activity --examples examples/ --out activity.neighbours"
