"""Programs of a fleet that are cut off and killed: every file offers a WORKLOAD."""
