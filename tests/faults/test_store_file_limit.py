"""A limit on the size of a file (`ulimit -f`, a service's LimitFSIZE): no write beyond it, and SIGXFSZ."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.device.store import reader, status
from store_example import opened
from support import environment

pytestmark = pytest.mark.slow

LIMIT, COMMITS = 7 << 20, 160
# Alarms, and raw rows or nothing else, until twice as much was stored as a file may hold; a line for each commit. Of a
# process that is to be killed the limit comes while it works, and with the signal's own effect.
SCRIPT = """
import resource, signal, sys
from pathlib import Path
from edgewright.device.store.store import Store
from edgewright.schema.errors import EdgewrightError, InputError
from store_example import config, event, put_rows
raw, limit, commits = sys.argv[2] == "raw", int(sys.argv[3]), int(sys.argv[4])
try:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    store = Store.open(Path(sys.argv[1]), config(ballast=1 << 19), "device-1")
    for number in range(commits):
        if not limit and number == 20:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
        label = "fall" if raw else "x" * 30_000
        numbers = store.append_events([event("alarm", label, number=number + i) for i in range(3)])
        if raw:
            put_rows(store, 15_000, seed=number)
        store.commit()
        print(store.boot, numbers[0], numbers[-1], flush=True)
    store.close()
except EdgewrightError as error:
    print("refused", error, flush=True)
    sys.exit(2 if isinstance(error, InputError) else 74)
"""


def run(folder: Path, work: str, limit: int = LIMIT) -> tuple[int, set[tuple[int, int]], str]:
    """Exit code, what was acknowledged, and what was refused."""
    command = [sys.executable, "-c", SCRIPT, str(folder), work, str(limit), str(COMMITS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused")]
    kept = [[int(word) for word in line.split()] for line in done.stdout.splitlines() if line not in refused]
    return done.returncode, {(boot, n) for boot, first, last in kept for n in range(first, last + 1)}, "".join(refused)


def test_raw_rows_make_room_and_every_alarm_is_there(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "raw")
    assert (code, refused) == (0, "")
    assert len(acknowledged) == 3 * COMMITS
    assert all(file.stat().st_size <= LIMIT for file in (tmp_path / "s").iterdir())
    with opened(tmp_path / "s") as store:
        assert {(s.boot, s.sequence) for s in reader.events(store.database, "alarm", limit=10**6)} == acknowledged
        assert status.of(store).dropped == ()
        assert store.database.value("PRAGMA integrity_check") == "ok"


def test_alarms_alone_wait_in_the_outbox_and_what_was_given_up_is_counted(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "alarms")
    assert (code, refused) == (0, "")
    assert len(acknowledged) == 3 * COMMITS
    with opened(tmp_path / "s") as store:
        waiting = set(store.database.execute("SELECT boot, sequence FROM outbox WHERE priority = 0"))
        lost = status.of(store).dropped
        assert waiting <= acknowledged
        assert sum(entry.items for entry in lost if entry.priority == 0) == len(acknowledged - waiting) > 0
        # The oldest went.
        assert waiting == set(sorted(acknowledged)[-len(waiting) :])


def test_a_process_that_the_signal_ends_loses_nothing_that_it_promised(tmp_path: Path) -> None:
    code, acknowledged, _ = run(tmp_path / "s", "raw", limit=0)
    assert code == -signal.SIGXFSZ
    assert acknowledged
    with opened(tmp_path / "s") as store:
        stored = {(s.boot, s.sequence) for s in reader.events(store.database, "alarm", limit=10**6)}
        assert acknowledged <= stored
        assert store.database.value("PRAGMA integrity_check") == "ok"


def test_a_limit_below_what_a_store_needs_is_said_before_anything_is_written(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "raw", limit=1 << 20)
    assert (code, acknowledged) == (2, set())
    assert "expected files that may grow to 6 MiB, got a limit of 1048576 bytes for a file" in refused
    assert "LimitFSIZE" in refused
