"""Interface between the adviser and the files of `framings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from edgewright.core.catalogue import find, listing
from edgewright.data.public import loaders, set_at
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.schema.advice import Capability, Measured, Need
from edgewright.schema.config import WindowTarget
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.footprint import Footprint
from edgewright.schema.profile import Profile
from edgewright.search.advise.inspection import Inspection


def framings() -> tuple[Framing, ...]:
    """Return all framings, lowest rank first."""
    known = [find(PACKAGE, name, "FRAMING", "framing") for name in listing(PACKAGE, "FRAMING")]
    return tuple(sorted(known, key=lambda framing: framing.rank))


def tasks() -> tuple[str, ...]:
    """Return the values of --task other than 'auto'."""
    return tuple(sorted({task for framing in framings() for task in framing.tasks}))


def framing_of(seen: Inspection, request: AdviceRequest) -> Framing:
    """Return the first framing that fits the data and the request.

    Raises:
        UnknownNameError: the task is unknown.
        InputError: the data does not exist, or cannot be framed as asked.
    """
    if request.task != "auto" and request.task not in tasks():
        raise UnknownNameError("task", request.task, ("auto", *tasks()), "--task")
    known = "" if request.kind or ".zip" not in seen.endings else set_at(seen.location)
    if known and known not in loaders():
        raise InputError(f"an unpacked copy of the public set {known}", "archives (.zip)", request.data,
                         "Unpack them and pass the folder with the contents")  # fmt: skip
    fitting = [framing for framing in framings() if framing.fits(seen, request)]
    able = [framing for framing in fitting if request.task == "auto" or request.task in framing.tasks]
    if not able:
        free = replace(request, task="auto")
        offered = sorted({task for framing in framings() if framing.fits(seen, free) for task in framing.tasks})
        if not offered and request.task == "auto":
            many = ", ".join(ending or "no ending" for ending, _ in seen.endings.most_common(4))
            raise InputError(
                "readings, sentences, documents or pictures", f"files of {many}" if many else "an empty folder",
                request.data, "Unpack archives and pass the file or folder with the data",
            )  # fmt: skip
        raise InputError(
            f"data for {request.task}", f"data for {', '.join(offered) or 'no known task'}", request.data,
            "Set the target with --target, or omit --task",
        )  # fmt: skip
    return able[0]


PACKAGE = "edgewright.search.advise.framings"
CAPABILITIES = ("zero-shot", "reasoning", "retrieval", "generation")


@dataclass(frozen=True)
class AdviceRequest:
    """Options of the adviser.

    Attributes:
        data: file, folder, or name of a pipeline.
        path: path of the data of a pipeline.
        target, group, session, time: column names; empty where not set.
        time_unit: of a time in numbers.
        ignore: columns to exclude.
        skip_bad_rows: leave out rows and files that cannot be read.
        keep: columns to include although they may leak the target.
        kind: data source or public set; guessed from the path when empty.
        window, step: window length and step in rows; 0 where not set.
        window_target: how a window gets its target from its rows: 'last', 'first', 'mean' or 'max'.
        held_out: groups to leave out.
        by: unit that folds keep whole: 'auto', 'row' or 'block'.
        task: task of the framing; 'auto' chooses it from the data.
        metric: metric of the ladder; chosen from the target when empty.
        device: name of the device profile.
        radio: name of the link; the default for the device when empty.
        needs: parsed needs.
        prices: figures set by the user.
        mains: whether the device runs on mains power.
        curve: whether to measure a learning curve; None measures it only where it is fast.
        seed: random seed.
    """

    data: str
    path: str | None = None
    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    time_unit: str = ""
    ignore: tuple[str, ...] = ()
    skip_bad_rows: bool = False
    keep: tuple[str, ...] = ()
    kind: str = ""
    window: int = 0
    step: int = 0
    window_target: WindowTarget = "last"
    held_out: tuple[str, ...] = ()
    by: str = "auto"
    task: str = "auto"
    metric: str = ""
    device: str = "cortex-m4"
    radio: str = ""
    needs: tuple[Need, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    mains: bool = False
    curve: bool | None = None
    seed: int = 0


class FramingResult(Measured, frozen=True, kw_only=True):
    """Result of a framing: the record of what it measured, and what places are compared by.

    Attributes:
        columns: columns that the model reads.
        rate: rows per second; None where unknown.
        rows_an_answer: number of rows from one answer to the next.
        bytes_row: bytes of all readings in a row; None for the number of columns times the figure `reading`.
        usual_rows: default for rows per day where the rate is unknown; None for the figure `rows`.
        least_bytes: minimum memory of the choice in bytes, where its footprint is unknown.
        least_why: what needs this memory.
        changes: fraction of the answers that differ from the previous one; 1 where unknown.
        changes_how: explanation of `changes`.
        price: returns the footprint of the choice on a profile; None where unknown.
    """

    columns: tuple[str, ...]
    rate: float | None = None
    rows_an_answer: float = 1.0
    bytes_row: float | None = None
    usual_rows: float | None = None
    least_bytes: float = 0.0
    least_why: str = ""
    changes: float = 1.0
    changes_how: str = "every answer is sent, because it is unknown how often answers change"
    price: Callable[[Profile], Footprint | None] = lambda _: None


@dataclass(frozen=True)
class Framing:
    """A framing; every file of `framings` defines one as `FRAMING`.

    Attributes:
        rank: position in the order in which framings are tried, lowest first.
        tasks: supported values of --task.
        fits: returns whether the framing fits the data and the request.
        advise: measures the options and returns the result.
    """

    rank: int
    tasks: tuple[str, ...]
    fits: Callable[[Inspection, AdviceRequest], bool]
    advise: Callable[[Inspection, AdviceRequest, Progress, Ahead], FramingResult]


def capabilities(**needed: str) -> tuple[Capability, ...]:
    """Return all four capabilities; `needed` maps required ones to the reason, with '_' for '-' in names."""
    why = {
        "zero-shot": "labels or rules exist already",
        "reasoning": "an answer follows directly from the readings",
        "retrieval": "no documents are searched",
        "generation": "an answer is a class or a number, not text",
    }
    causes = {name.replace("_", "-"): reason for name, reason in needed.items()}
    return tuple(Capability(name=name, needed=name in causes, why=causes.get(name, why[name])) for name in CAPABILITIES)
