"""`make faults-fleet`: every fault on every program of a fleet; a table, and 1 where a state was wrong."""

from __future__ import annotations

import sys

from benchmarks.faults.__main__ import main

if __name__ == "__main__":
    cases = ("benchmarks.faults.cases", "benchmarks.faults_fleet.cases")
    sys.exit(main(sys.argv[1:], "benchmarks.faults_fleet.workloads", cases, "benchmarks.faults_fleet.processes"))
