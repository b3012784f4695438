"""Processes of simulated devices: one a fleet, whoever asks twice, and none without its studio."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from edgewright.fleet.server.database.serving import is_served
from edgewright.fleet.simulator.practice import create_practice, practise
from edgewright.fleet.simulator.practice_processes import Practices
from edgewright.schema.errors import InputError
from edgewright.studio.pages.fleet import practices_of
from studio_example import client

pytestmark = pytest.mark.slow
_STUDIO = (
    "import sys, time; from pathlib import Path; "
    "from edgewright.fleet.simulator.practice_processes import Practices; "
    "Practices().start(Path(sys.argv[1])); time.sleep(600)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return create_practice(tmp_path / "fleet", "practice", "main", 2).folder


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def runs(folder: Path) -> list[str]:
    """Return the names of what the simulated devices keep, a folder for each start."""
    return [path.name for path in (folder / "practice").glob("*")]


def test_two_starts_begin_one_process_and_leave_one_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes, popen = list[subprocess.Popen[bytes]](), subprocess.Popen

    def slow(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
        time.sleep(0.3)
        processes.append(popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", slow)
    practices = Practices()
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(practices.start, [folder] * 3))
        assert len(processes) == 1
        wait(lambda: bool(runs(folder)))
        (first,) = runs(folder)
        practices.stop(folder)
        assert processes[0].returncode == 0
        assert not is_served(folder)
        practices.start(folder)
        wait(lambda: runs(folder) not in ([], [first]))
        assert len(runs(folder)) == 1
        assert practices.trouble(folder) == ""
    finally:
        practices.stop_all()
    assert all(process.returncode == 0 for process in processes)


def test_simulated_devices_end_with_a_killed_studio(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _STUDIO, str(folder)]) as studio:
        try:
            wait(lambda: is_served(folder))
        finally:
            studio.kill()
    wait(lambda: not is_served(folder))


def test_a_studio_has_its_processes_once(tmp_path: Path) -> None:
    studio = client(tmp_path).app.state.studio
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(practices_of, [studio] * 40))) == 1


def test_the_hint_can_be_typed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="edgewright fleet practice DIR --new 60"):
        practise(tmp_path, lambda number: None, Event())
