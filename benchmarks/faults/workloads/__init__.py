"""Programs that are cut off and killed: every file offers `WORKLOAD`, a `benchmarks.faults.workload.Workload`."""
