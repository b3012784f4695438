"""Finding the framing of some data: one file each, asked in the order of their ranks."""

from __future__ import annotations

from dataclasses import replace

from edgewright.core.catalogue import find, listing
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.search.advise.contract import PACKAGE, AdviceRequest, Framing
from edgewright.search.advise.existing import is_read, set_of
from edgewright.search.advise.inspection import Look


def framings() -> tuple[Framing, ...]:
    """All, in the order in which they are asked."""
    found = [find(PACKAGE, name, "FRAMING", "framing") for name in listing(PACKAGE, "FRAMING")]
    return tuple(sorted(found, key=lambda framing: framing.rank))


def tasks() -> tuple[str, ...]:
    """What --task may say besides 'auto'."""
    return tuple(sorted({task for framing in framings() for task in framing.tasks}))


def framing_of(seen: Look, asked: AdviceRequest) -> Framing:
    """The first framing that fits.

    Raises:
        UnknownNameError: a task that is not known.
        InputError: the data does not exist, or cannot be framed as asked.
    """
    if asked.task != "auto" and asked.task not in tasks():
        raise UnknownNameError("task", asked.task, ("auto", *tasks()), "--task")
    known = "" if asked.kind or ".zip" not in seen.endings else set_of(seen.place)
    if known and not is_read(known):
        raise InputError(f"an unpacked copy of the public set {known}", "archives (.zip)", asked.data,
                         "Unpack them, and name the folder with what was in them")  # fmt: skip
    fitting = [framing for framing in framings() if framing.fits(seen, asked)]
    able = [framing for framing in fitting if asked.task == "auto" or asked.task in framing.tasks]
    if not able:
        free = replace(asked, task="auto")
        offered = sorted({task for framing in framings() if framing.fits(seen, free) for task in framing.tasks})
        if not offered and asked.task == "auto":
            many = ", ".join(ending or "no ending" for ending, _ in seen.endings.most_common(4))
            raise InputError(
                "readings, sentences, documents or pictures", f"files of {many}" if many else "an empty folder",
                asked.data, "Unpack archives, and name the file or the folder that holds them",
            )  # fmt: skip
        raise InputError(
            f"data for {asked.task}", f"data for {', '.join(offered) or 'nothing that is known'}", asked.data,
            "Name a target with --target, or leave --task out",
        )  # fmt: skip
    return able[0]
