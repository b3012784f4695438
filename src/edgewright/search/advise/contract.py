"""What every file of `framings` offers, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from edgewright.core.catalogue import find, listing
from edgewright.pipeline.duration_estimate import Ahead
from edgewright.schema.advice import Capability, Existing, Flip, Frame, Need
from edgewright.schema.config import WindowTarget
from edgewright.schema.curve import Curves
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.footprint import Footprint
from edgewright.schema.ladder import LadderRecord
from edgewright.schema.profile import Profile
from edgewright.search.advise.existing import is_read, set_of
from edgewright.search.advise.inspection import Look


def framings() -> tuple[Framing, ...]:
    """All, in the order in which they are asked."""
    found = [find(PACKAGE, name, "FRAMING", "framing") for name in listing(PACKAGE, "FRAMING")]
    return tuple(sorted(found, key=lambda framing: framing.rank))


def tasks() -> tuple[str, ...]:
    """Return what --task may say besides 'auto'."""
    return tuple(sorted({task for framing in framings() for task in framing.tasks}))


def framing_of(seen: Look, request: AdviceRequest) -> Framing:
    """Return the first framing that fits.

    Raises:
        UnknownNameError: a task that is not known.
        InputError: the data does not exist, or cannot be framed as asked.
    """
    if request.task != "auto" and request.task not in tasks():
        raise UnknownNameError("task", request.task, ("auto", *tasks()), "--task")
    known = "" if request.kind or ".zip" not in seen.endings else set_of(seen.place)
    if known and not is_read(known):
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
Doing = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
CAPABILITIES = ("zero-shot", "reasoning", "retrieval", "generation")


@dataclass(frozen=True)
class AdviceRequest:
    """What an adviser is told.

    Attributes:
        data: file, folder, or name of a pipeline.
        path: of a pipeline's data.
        target, group, session, time: columns; empty where not named.
        ignore: columns that are no measurement; `keep` columns that stay though they seem to know the target.
        kind: source or public set; judged by the path when empty.
        window, step: rows; 0 where not named. `window_target`: whose amount a window is to tell.
        held: groups that nothing sees.
        by: 'auto', 'row' or 'block': what folds keep whole.
        task: framing; 'auto' judges by the data.
        metric: as of the ladder.
        device: profile.
        radio: link; the device's usual one when empty.
        needs: parsed; `prices` figures that were set.
        mains: the device needs no cell.
        curve: whether a learning curve is measured; None where it is cheap.
        seed: of everything random.
    """

    data: str
    path: str | None = None
    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    ignore: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    kind: str = ""
    window: int = 0
    step: int = 0
    window_target: WindowTarget = "last"
    held: tuple[str, ...] = ()
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


@dataclass(frozen=True)
class Found:
    """What a framing came to.

    Attributes:
        name, target: of the data.
        frame: step 1.
        columns: that are read.
        rate: rows a second; None where the data does not say.
        rows_an_answer: from one answer to the next.
        bytes_row: of all readings of a row; None for columns times the figure `reading`.
        usual_rows: rows a day where neither the data nor the user says; None for the figure `rows`.
        least_bytes: memory that the choice takes at least, where its footprint is not known; `least_why` what for.
        changes: share of the answers that differ from the one before; 1 where that is not known. `changes_how` says.
        existing: step 3.
        ladder: steps 4 and 5, or `measured`, options with what they reached.
        choice, choice_why: the option that is enough.
        price: footprint of the choice on a profile; None where it is not known.
        met: whether the choice holds the needs that are about it; `unmet` by how much not.
        curve, curve_note: what more data is worth.
        flips, costs, commands, notes: as of `Advice`.
    """

    name: str
    target: str
    frame: Frame
    columns: tuple[str, ...]
    choice: str
    choice_why: str
    rate: float | None = None
    rows_an_answer: float = 1.0
    bytes_row: float | None = None
    usual_rows: float | None = None
    least_bytes: float = 0.0
    least_why: str = ""
    changes: float = 1.0
    changes_how: str = "every answer is sent, because it is unknown how often answers change"
    existing: tuple[Existing, ...] = ()
    ladder: LadderRecord | None = None
    measured: tuple[tuple[str, str], ...] = ()
    price: Callable[[Profile], Footprint | None] = lambda _: None
    unmet: tuple[str, ...] = ()
    curve: Curves | None = None
    curve_note: str = ""
    flips: tuple[Flip, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Framing:
    """The one object `FRAMING` of a framing's file.

    Attributes:
        rank: framings are asked in this order.
        tasks: that it answers to with --task.
        fits: whether the data is of this kind.
        advise: frames and measures.
    """

    rank: int
    tasks: tuple[str, ...]
    fits: Callable[[Look, AdviceRequest], bool]
    advise: Callable[[Look, AdviceRequest, Doing, Ahead], Found]


def capabilities(**needed: str) -> tuple[Capability, ...]:
    """All four; those named are needed, for the reason given, with '_' for '-'."""
    why = {
        "zero-shot": "labels or rules exist already",
        "reasoning": "an answer follows directly from the readings",
        "retrieval": "no documents are searched",
        "generation": "an answer is a class or a number, not text",
    }
    found = {name.replace("_", "-"): said for name, said in needed.items()}
    return tuple(Capability(name=name, needed=name in found, why=found.get(name, why[name])) for name in CAPABILITIES)
