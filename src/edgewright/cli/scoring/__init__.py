"""What `edgewright score` can score: every file offers `SCORED`."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.core.catalogue import find, listing
from edgewright.core.errors import MissingFileError, ModelError, OptionError

if TYPE_CHECKING:
    from edgewright.cli.command import Text
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score

# Options by the names of what they say in `ScoreRequest`.
OPTIONS = {
    "kind": "--kind", "part": "--part", "target": "--target", "group": "--group", "session": "--session",
    "time": "--time", "names": "--map", "settings": "--set", "normal": "--normal", "last": "--last",
    "engine": "--engine", "encoder": "--encoder",
}  # fmt: skip
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Scored:
    """The one object `SCORED` of a file.

    Attributes:
        kind: for messages, such as 'a detector'.
        holds: a name in the archives that are read, or the first bytes of the files; a name such as `.edge` is that
            of a file, or of one in a folder.
        takes: options that it uses, beside `--data`; any other is refused.
        score: on labelled data.
        view: what people read besides the figures; None where there is no more.
    """

    kind: str
    holds: str
    takes: frozenset[str]
    score: Callable[[Path, ScoreRequest], Score]
    view: Callable[[Score], Text] | None = None


def kind_of(path: Path) -> tuple[str, Scored]:
    """Return what a file or folder holds.

    Raises:
        InputError: nothing there, or nothing that can be scored.
    """
    if not path.exists():
        raise MissingFileError("a model to score", "no such file", str(path), "Check the path")
    known = {name: find(__name__, name, "SCORED", "kind of model") for name in listing(__name__, "SCORED")}
    marks = set(_marks(path))
    for name, scored in known.items():
        if scored.holds in marks:
            return name, scored
    whats = ", ".join(scored.kind for scored in known.values())
    got = f"a {path.suffix or 'file'} of another kind" if path.is_file() else "a folder without a package"
    raise ModelError(f"one of: {whats}", got, str(path), "A model alone has no labels; package it first")


def refuse_options(scored: Scored, request: ScoreRequest) -> None:
    """Refuse an option that does nothing for a kind of model.

    Raises:
        InputError: naming the first such option.
    """
    for key, option in OPTIONS.items():
        if getattr(request, key) and key not in scored.takes:
            known = ", ".join(name for setting, name in OPTIONS.items() if setting in scored.takes)
            raise OptionError(f"options of {scored.kind} (--data, {known})", option, "edgewright score", "Omit it")


def _marks(path: Path) -> Iterator[str]:
    """By what a file or folder may be known."""
    if path.is_dir() or path.suffix == ".edge":
        # A run folder whose package was refused is one too: opening it says why it has none.
        if path.is_file() or any(path.glob("*.edge")) or (path / "trace.json").is_file():
            yield ".edge"
        return
    with path.open("rb") as stream:
        begin = stream.read(len(_SQLITE))
    if begin == _SQLITE:
        yield "sqlite"
    if begin.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                yield from archive.namelist()
        except zipfile.BadZipFile:
            return
