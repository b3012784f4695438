"""One line a run: only what the list shows is read from a record, and kept until the file changes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgewright.schema.errors import EdgewrightError
from edgewright.schema.trace import TRACE_VERSION, Interval, LeftOutRecord
from edgewright.studio.paths import RECORD
from edgewright.trace.journal import Progress, journals, read_progress
from edgewright.trace.record import RecordVersion
from edgewright.trace.sentences.opening import Headline, headline
from edgewright.trace.sentences.readiness import state_of


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
