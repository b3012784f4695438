"""Resident memory of the agent's process: what it imports and holds to poll, verify, fetch and report."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.table import ROOT, python

# The modules of `device run --fleet` without the model's process, and one look at each of its stores.
_LOOK = """
import sys
from pathlib import Path
import edgewright.fleet.agent.machine, edgewright.fleet.agent.remote, edgewright.fleet.agent.enrolling
import edgewright.fleet.wire.http, edgewright.fleet.wire.packages, edgewright.fleet.trust.client
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024)
"""


def resident(folder: Path) -> int:
    """Bytes after loading all that the agent's process needs."""
    found = subprocess.run([python(), "-c", _LOOK], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(found.stdout)
