"""How long it takes until something happens: importing, asking for help, a whole run from a cold process."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.table import markdown, median, python, spent, verdict

REPEATS = 9
RUNS = 3
IMPORT_MS, HELP_MS, RUN_CPU = 50.0, 300.0, 15.0


def main() -> int:
    """Print the table; 1 when a target is missed."""
    edgewright = str(Path(python()).with_name("edgewright"))
    bare, imported, helped = [], [], []
    # Interleaved, so that a slow moment of the machine meets all of them.
    for _ in range(REPEATS):
        bare.append(spent([python(), "-c", "pass"]).seconds)
        imported.append(spent([python(), "-c", "import edgewright"]).seconds)
        helped.append(spent([edgewright, "--help"]).seconds)
    own = (median(imported) - median(bare)) * 1e3
    help_ms = median(helped) * 1e3
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = [], []
        for number in range(RUNS):
            cache = {"XDG_CACHE_HOME": f"{folder}/cache-{number}"}
            command = [edgewright, "run", "activity", "--out", f"{folder}/runs-{number}"]
            cold.append(spent(command, cache))
            warm.append(spent(command, cache))
    first, again = median([s.cpu_seconds for s in cold]), median([s.cpu_seconds for s in warm])
    rows = [
        ["`import edgewright`", f"{own:.0f} ms", f"{IMPORT_MS:.0f} ms", verdict(own <= IMPORT_MS)],
        ["`edgewright --help`, whole process", f"{help_ms:.0f} ms", f"{HELP_MS:.0f} ms", verdict(help_ms <= HELP_MS)],
        [
            "`edgewright run activity`, nothing cached",
            f"{first:.1f} CPU-s",
            f"{RUN_CPU:.0f}",
            verdict(first <= RUN_CPU),
        ],
        ["the same, compiled programs cached", f"{again:.1f} CPU-s", f"{RUN_CPU:.0f}", verdict(again <= RUN_CPU)],
    ]
    print(markdown(["start", "median", "at most", ""], rows))
    within = own <= IMPORT_MS and help_ms <= HELP_MS and first <= RUN_CPU
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
