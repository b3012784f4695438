"""Runs that several tests look at, made once for all workers, and a small pipeline that trains in no time."""

from __future__ import annotations

import fcntl
import gc
import io
import os
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks import SOURCE_FILES
from hypothesis import HealthCheck, settings

from cli_runner import Cli
from compiler_cache import share_compiled
from edgewright.core.records.trace import Trace
from edgewright.data.set_files import register_sources
from edgewright.export.c99_host import host
from support import ROOT

if TYPE_CHECKING:
    from edgewright.fleet.server.control_plane import Plane
    from rollout_example import Example

# Scalability as it ships trains up to 100,000 rows; two small sizes show the same page.
CHANGES = {"scalability": ("scaling.rows=[500,1000]", "scaling.epochs=2", "training.epochs=3")}
WIDTH = 100
# Public sets are read by the loaders of the examples.
register_sources(*SOURCE_FILES)
# Tests neither wait for a compiler nor answer with what they find in somebody's cache; those of it ask for it.
os.environ.setdefault("EDGEWRIGHT_COMPILE", "no")
# Nor do they use the models that somebody registered on this machine; a test's own lie in the folder that it works in.
os.environ["EDGEWRIGHT_MODELS"] = "models-of-tests"
# The compiler for WebAssembly makes parts of its library once; tests have caches of their own, and share these.
os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"edgewright-zig-{os.getuid()}"))
# A machine under load is as right as another: how long an example takes fails no test.
settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Yield what is imported now stays to the end: nobody looks for garbage in it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw slow and heavy tests: EDGEWRIGHT_DRAW is a share and a text by which they are drawn, like '0.4 c0ffee'.

    Half of the share goes to tests near changed code, the nearest first, where EDGEWRIGHT_AFFECTED is a file of
    `tools/affected.py`; the text draws among those that are equally near, and the rest.
    """
    share, _, seed = os.environ.get("EDGEWRIGHT_DRAW", "1").partition(" ")
    slow = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("heavy")]
    far = _distances(os.environ.get("EDGEWRIGHT_AFFECTED", ""))
    lots = {item: zlib.crc32(f"{seed} {item.nodeid}".encode()) for item in slow}
    wanted = round(float(share) * len(slow))
    affected = sorted((item for item in slow if item.path in far), key=lambda item: (far[item.path], lots[item]))
    chosen = affected[: -(-wanted // 2)]
    others = sorted(lots.keys() - set(chosen), key=lots.__getitem__)
    left = set(others[wanted - len(chosen) :])
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests skipped because it is not installed, also into the file that EDGEWRIGHT_LEFT_OUT names."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        counts[reason.removeprefix("Skipped: ").removeprefix("left out: ")] += 1
    listed = ", ".join(f"{reason} ({count})" for reason, count in counts.most_common())
    line = f"Skipped {sum(counts.values())} tests, by what is missing here: {listed or 'nothing'}"
    terminalreporter.write_line(line)
    if file := os.environ.get("EDGEWRIGHT_LEFT_OUT"):
        Path(file).write_text(f"{line}\n", encoding="utf-8")


def _distances(file: str) -> dict[Path, int]:
    """Return how far tests are from changed code, as `tools/affected.py` prints it."""
    lines = Path(file).read_text("utf-8").splitlines() if file else []
    return {ROOT / path: int(distance) for distance, _, path in (line.partition(" ") for line in lines)}


@dataclass(frozen=True)
class Lesson:
    """A shipped pipeline after its run.

    Attributes:
        folder: the run folder.
        trace: its `trace.json`, read back.
        text: what the terminal showed, 100 columns wide and without colour.
    """

    folder: Path
    trace: Trace
    text: str


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lesson]:
    """Give a shipped pipeline's run by its name; the first who asks runs it, other workers wait and read."""
    # JAX and scikit-learn take seconds to import, and the process that hands out the tests needs neither.
    from rich.console import Console

    from edgewright.cli.listeners import Shown
    from edgewright.pipeline.config import read_config
    from edgewright.pipeline.run import run_pipeline
    from edgewright.trace.page_model import read_trace

    shared = _shared(tmp_path_factory, "lessons")

    def ask(name: str) -> Lesson:
        text = shared / f"{name}.txt"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not text.exists():
                sheet = io.StringIO()
                listener = Shown(Console(file=sheet, width=WIDTH, color_system=None, legacy_windows=False))
                changes = CHANGES.get(name, ())
                command = " ".join([f"edgewright run {name}", *(f"--set {change}" for change in changes)])
                run_pipeline(read_config(name, changes), out=shared, force=True, listener=listener, command=command)
                text.write_text(sheet.getvalue(), encoding="utf-8")
        folder = shared / name
        return Lesson(folder, read_trace(folder / "trace.json"), text.read_text(encoding="utf-8"))

    return ask


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Compile the same C once for all workers, and for later sessions where EDGEWRIGHT_COMPILED names a folder.

    It is called in this process: a copy of a worker takes longer than most calls. Tests that change C or let it crash
    ask for `children_call_c`.
    """
    kept = os.environ.get("EDGEWRIGHT_COMPILED")
    with pytest.MonkeyPatch.context() as patch:
        share_compiled(patch, Path(kept).resolve() if kept else _shared(tmp_path_factory, "compiled"))
        patch.setattr(host, "_FORKS", False)
        yield


@pytest.fixture
def children_call_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call generated C as a user does, in children that may crash."""
    monkeypatch.setattr(host, "_FORKS", sys.platform == "linux")


def _shared(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that all workers of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run commands in this process."""
    return Cli(capsys)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Provide a pipeline's TOML over 120 rows of two columns, with its data beside it; trains in tenths of a second."""
    from small_pipeline import write_rows, write_toml

    rows = write_rows(tmp_path / "rows.csv")
    return write_toml(tmp_path / "small.toml", rows)


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop of tests that are coroutines."""
    return "asyncio"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Provide a fleet with a control plane whose clock stands still."""
    from rollout_example import Example

    example_fleet = Example(tmp_path)
    yield example_fleet
    example_fleet.close()


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """Provide a control plane in a folder."""
    from fleet_plane import plane_of

    with plane_of(tmp_path) as plane_opened:
        yield plane_opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Provide a fleet's folder over SQLite, and over PostgreSQL."""
    from postgres_database import folder_over

    with folder_over(request.param, tmp_path) as folder:
        yield folder
