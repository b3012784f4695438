"""Runs that the studio starts, as processes of their own, and how any run is ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.errors import EdgewrightError, StudioRequestError
from edgewright.core.files import write_atomic
from edgewright.core.records.trace import TRACE_VERSION, Interval, LeftOutRecord
from edgewright.studio.paths import RECORD
from edgewright.trace.journal import FOLDER, Opening, Progress, alive, journals, read_progress, start_ticks
from edgewright.trace.page_model import RecordVersion
from edgewright.trace.sentences.opening import Headline, headline
from edgewright.trace.sentences.readiness import state_of

# Pages whose address may be offered again: the file could have been written by another.
_FORMS = ("/new/", "/start?")


class Waiting(msgspec.Struct, frozen=True):
    """A run that waits: its name and the address of the form that started it."""

    name: str
    back: str


def read(runs: Path) -> list[Waiting]:
    """Return what waited; nothing where the file is absent or is not ours."""
    try:
        waiting = msgspec.json.decode(_file(runs).read_bytes(), type=list[Waiting])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [run for run in waiting if run.back.startswith(_FORMS)]


def write(runs: Path, waiting: Sequence[Waiting]) -> None:
    """Keep what waits; the file is removed with the last."""
    path = _file(runs)
    if waiting:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(list(waiting)))
    else:
        with suppress(OSError):
            path.unlink()


def _file(runs: Path) -> Path:
    return runs / FOLDER / "waiting.json"


AT_ONCE = 2
"""Runs that go on at the same time, those started elsewhere in this folder included."""
MOST_WAITING = 20
"""Runs that wait for one of those to end."""
_PATIENCE = 5.0
# Seconds between two looks whether a waiting run may begin.
_LOOK = 0.5
# Ctrl-C reaches the run even where the studio was started in the background, which ignores it.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'edgewright'; "
    "from edgewright.cli.main import main; main()"
)


@dataclass
class Job:
    """A run that was started here.

    Attributes:
        arguments: arguments of `command`.
        name: for the list.
        back: address of the form that started it.
        log: where its errors go.
        process: None while it waits, and when it could not begin.
        trouble: why it could not begin.
        command: of Edgewright with where it writes; empty for `run` into the folder of runs.
    """

    arguments: Sequence[str]
    name: str
    back: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    trouble: str = ""
    command: Sequence[str] = ()

    def last_error_line(self) -> str:
        """Return the last line it printed to standard error, without the command's name."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return self.trouble
        return lines[-1].removeprefix("edgewright: ") if lines else self.trouble

    @property
    def is_going(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None


class Jobs:
    """Starts runs, a few at a time, and ends them with the studio.

    Args:
        runs: folder that runs are written to.
        running: counts the runs in the folder whose journals go on, wherever they were started.
    """

    def __init__(self, runs: Path, running: Callable[[], int]) -> None:
        self.runs = runs
        self.started: dict[int, Job] = {}
        self.left = read(runs)
        self._running = running
        self._queue: list[int] = []
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._pump: threading.Thread | None = None

    def start(self, arguments: Sequence[str], name: str, back: str, command: Sequence[str] = ()) -> int:
        """Start a command, or let it wait until another has ended, and give the number of the job.

        Args:
            arguments: arguments of the command: the pipeline or the data after '--', options before it.
            name: name of the run, for the list.
            back: address of the form.
            command: of Edgewright with where it writes; empty for `run` into the folder of runs.

        Raises:
            InputError: too many wait already.
        """
        with self._lock:
            if len(self._queue) >= MOST_WAITING:
                count = str(len(self._queue))
                raise StudioRequestError(
                    f"at most {MOST_WAITING} waiting runs", count, "", "Wait for one to end, or cancel it"
                )
            number = max(time.time_ns() // 1_000_000, max(self.started, default=0) + 1)
            self.started[number] = Job(
                arguments, name, back, self.runs / FOLDER / "started" / f"{number}.log", command=command
            )
            self._queue.append(number)
            self._begin_waiting()
            if self._queue and (self._pump is None or not self._pump.is_alive()):
                self._pump = threading.Thread(target=self._begin_later, name="queue of runs", daemon=True)
                self._pump.start()
            return number

    def _begin_later(self) -> None:
        while not self._stopping.wait(_LOOK):
            with self._lock:
                self._begin_waiting()
                if not self._queue:
                    self._pump = None
                    return

    def _begin_waiting(self) -> None:
        """Begin as many waiting runs as may go on; those without a journal yet count as well."""
        while self._queue and not self._stopping.is_set():
            loading = sum(job.is_going and not self.journal(number) for number, job in self.started.items())
            if self._running() + loading >= AT_ONCE:
                break
            self._begin(self.started[self._queue.pop(0)])
        self._keep()

    def _begin(self, job: Job) -> None:
        command = job.command or ("run", "--out", str(self.runs))
        arguments = [sys.executable, "-c", _START, *command, *job.arguments]
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with job.log.open("wb") as errors:
                job.process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            job.trouble = f"the process could not begin: {error.strerror or error}"

    def _keep(self) -> None:
        waiting = [Waiting(job.name, job.back) for _, job in self.waiting()]
        write(self.runs, [*self.left, *waiting])

    def waiting(self) -> list[tuple[int, Job]]:
        """Return numbers and jobs that wait, the next first."""
        with self._lock:
            return [(number, self.started[number]) for number in self._queue]

    def position(self, number: int) -> int:
        """Return the place in the queue, from 1; 0 for a job that does not wait."""
        with self._lock:
            return self._queue.index(number) + 1 if number in self._queue else 0

    def remove(self, number: int) -> bool:
        """Remove a job that waits; False where it has begun, or is unknown."""
        with self._lock:
            if number not in self._queue:
                return False
            self._queue.remove(number)
            del self.started[number]
            self._keep()
            return True

    def forget(self, number: int) -> None:
        """Remove a run that waited when an earlier studio ended, by its number from 0."""
        with self._lock:
            if 0 <= number < len(self.left):
                del self.left[number]
                self._keep()

    def journal(self, number: int) -> str:
        """Name of the journal that a job's process keeps, empty where there is none (yet, or any more)."""
        job = self.started.get(number)
        if job is None or job.process is None:
            return ""
        return next((path.stem for path in journals(self.runs).glob(f"*-{job.process.pid}-*.jsonl")), "")

    def back_of(self, process: int) -> str:
        """Return the address of the form that started a process; empty for one that was started elsewhere."""
        jobs = self.started.values()
        return next((job.back for job in jobs if job.process is not None and job.process.pid == process), "")

    def stop(self) -> None:
        """End what was started here, as Ctrl-C does; what has not ended after seconds is killed."""
        self._stopping.set()
        with self._lock:
            going = [job.process for job in self.started.values() if job.process is not None and job.is_going]
        for process in going:
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + _PATIENCE
        for process in going:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for job in self.started.values():
            with suppress(OSError):
                job.log.unlink()
        with suppress(OSError):
            (self.runs / FOLDER / "started").rmdir()


def cancel(begun: Opening) -> bool:
    """Send a run what Ctrl-C sends; False where its process is gone.

    The process is held while it is compared with the journal, so that no other one of the same number can be hit.
    """
    if begun.process <= 1 or begun.process == os.getpid():
        return False
    try:
        descriptor = os.pidfd_open(begun.process)
    except OSError:
        return False
    try:
        if not begun.ticks or start_ticks(begun.process) != begun.ticks or not alive(begun.process, begun.ticks):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGINT)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


class _Evaluation(msgspec.Struct, frozen=True):
    accuracy: Interval | None = None
    regression: dict[str, float | None] = {}
    left_out: LeftOutRecord | None = None


class _Variant(msgspec.Struct, frozen=True):
    name: str
    accuracy: Interval | None = None
    file_bytes: int = 0


class _Compression(msgspec.Struct, frozen=True):
    variants: tuple[_Variant, ...] = ()
    drop: float = 0.0
    within: bool = True


class _Budget(msgspec.Struct, frozen=True):
    name: str
    used: float


class _Device(msgspec.Struct, frozen=True):
    profile: str = ""
    rows: tuple[_Budget, ...] = ()


class _Provenance(msgspec.Struct, frozen=True):
    started: str = ""


class _Brief(msgspec.Struct, frozen=True):
    """What is read of a record."""

    name: str
    title: str = ""
    task: str = ""
    verdict: str = ""
    evaluation: _Evaluation | None = None
    compression: _Compression | None = None
    device: _Device | None = None
    provenance: _Provenance = _Provenance()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in the list.

    Attributes:
        location: path of its folder in the folder of runs, with '/'.
        started: as in the record, UTC; empty where the record does not say.
        headline: the figure that leads the run's page; None for an amount without groups left out.
        r2: of an amount, of the samples that the headline is of.
        int8: accuracy of the int8 form; `drop` against float; None where there is none.
        size: bytes of the package, of the float form's file where there is no package.
        readiness: the state that the verdict begins with, one of `trace.readiness.STATES`; empty without one.
        unreadable: why the record could not be read; all else is then empty.
    """

    location: str
    name: str
    title: str = ""
    task: str = ""
    started: str = ""
    profile: str = ""
    headline: Headline | None = None
    r2: float | None = None
    int8: float | None = None
    drop: float | None = None
    size: float | None = None
    verdict: str = ""
    readiness: str = ""
    unreadable: str = ""

    @property
    def score(self) -> float | None:
        """What runs are sorted by in the column of accuracy."""
        first = self.headline
        return first.interval.value if first is not None and first.measure == "accuracy" else self.r2


def summarise(content: bytes, location: str) -> Summary:
    """Return the line of one record; a record that cannot be read is a line that says so."""
    name = location.rpartition("/")[2]
    try:
        version = msgspec.json.decode(content, type=RecordVersion).version
        if version > TRACE_VERSION:
            text = f"expected a record of version {TRACE_VERSION} or older, got version {version}. Update edgewright"
            return Summary(location=location, name=name, unreadable=text)
        brief = msgspec.json.decode(content, type=_Brief)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Summary(location=location, name=name, unreadable=f"no whole record: {error}")
    evaluation, compression = brief.evaluation or _Evaluation(), brief.compression
    left = evaluation.left_out
    variants = {variant.name: variant for variant in compression.variants} if compression else {}
    int8 = variants.get("int8")
    sizes = [row.used for row in brief.device.rows if row.name == "package"] if brief.device else []
    if not sizes and "float" in variants:
        sizes = [variants["float"].file_bytes]
    return Summary(
        location=location, name=brief.name, title=brief.title, task=brief.task, started=brief.provenance.started,
        profile=brief.device.profile if brief.device else "", headline=headline(evaluation.accuracy, left),
        r2=evaluation.regression.get("r2") if left is None else left.r2,
        int8=int8.accuracy.value if int8 and int8.accuracy else None,
        drop=compression.drop if compression and int8 else None, size=sizes[0] if sizes else None,
        verdict=brief.verdict, readiness=state_of(brief.verdict),
    )  # fmt: skip


def _folders(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield runs in a folder and in the folders in it that are no runs themselves: place and state of the record."""
    for entry in _visible(root):
        record = _record(entry)
        if record is not None:
            yield entry.name, record
            continue
        for inner in _visible(Path(entry.path)):
            record = _record(inner)
            if record is not None:
                yield f"{entry.name}/{inner.name}", record


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield folders that are neither hidden nor links; a link could lead out of the studio's folder."""
    try:
        with os.scandir(folder) as entries:
            yield from (e for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))
    except OSError:
        return


def _record(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        entry.name.encode()
        # No link is followed: it could lead out of the folder.
        status = os.stat(os.path.join(entry.path, RECORD), follow_symlinks=False)  # noqa: PTH116, PTH118 - 1,000 of them
    except (OSError, UnicodeEncodeError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


class Runs:
    """The runs in a folder; what a record says is kept in memory until its time or size changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._kept: dict[str, tuple[tuple[int, int], Summary]] = {}
        self._ended: dict[str, tuple[tuple[int, int], Progress]] = {}
        self._lock = threading.Lock()

    def finished(self) -> list[Summary]:
        """All runs with a record, in the order of the folder."""
        with self._lock:
            kept: dict[str, tuple[tuple[int, int], Summary]] = {}
            for location, state in _folders(self.root):
                mark = (state.st_mtime_ns, state.st_size)
                old = self._kept.get(location)
                if old is not None and old[0] == mark:
                    kept[location] = old
                    continue
                try:
                    with open(os.path.join(self.root, location, RECORD), "rb") as file:  # noqa: PTH118, PTH123 - 1,000 of them
                        kept[location] = (mark, summarise(file.read(), location))
                except OSError as error:
                    text = error.strerror or str(error)
                    kept[location] = (mark, Summary(location=location, name=location, unreadable=text))
            self._kept = kept
            return [summary for _, summary in kept.values()]

    def running(self) -> int:
        """Return how many runs go on, wherever they were started."""
        return sum(progress.state == "running" for progress in self.unfinished())

    def unfinished(self) -> list[Progress]:
        """Return running and interrupted runs from their journals: running ones first, then the latest."""
        runs: list[Progress] = []
        for path in journals(self.root).glob("*.jsonl"):
            try:
                state = path.stat()
                mark = (state.st_mtime_ns, state.st_size)
                old = self._ended.get(path.stem)
                progress = old[1] if old is not None and old[0] == mark else read_progress(path)
            except (OSError, EdgewrightError):
                continue
            if progress.state in ("cancelled", "failed"):
                self._ended[path.stem] = (mark, progress)
            if progress.state != "finished":
                runs.append(progress)
        return sorted(runs, key=lambda p: (p.state != "running", -p.begun))
