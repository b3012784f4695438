"""`edgewright device find`: what a picture or a sound is, by a finder of the device, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.core.formatting import printable

if TYPE_CHECKING:
    from edgewright.nlp.finder import Choice
    from edgewright.nlp.records import FoundPassage


@declare(example="plants.finder leaf.jpg --top 1")
def command(
    *,
    finder: Path = argument(metavar="FINDER"),
    files: tuple[Path, ...] = argument(metavar="[FILE...]", nargs=-1, required=False),
    question: str = option(metavar="TEXT", help="A question of the finder, alone or with each file."),
    unlike: Path | None = option(
        metavar="FILE|FOLDER", help="Pictures or sounds that you know already: leave them out, and what is like them."
    ),
    top: int = option(type=click.IntRange(1, 20), default=3, help="Number of passages."),
) -> Result:
    """Answer what pictures or sounds are by FINDER, a folder from `edgewright language pack`.

    Prints the nearest passages, pictures or sounds of its index, and the label where the finder has labels. Before the
    first answer the files are compared with their SHA-256 and the test of the finder runs; exits with 1 if this device
    gives other answers than the desk.
    """
    from edgewright.nlp.finder import Finder

    with Finder(finder) as opened:
        history = opened.history(unlike) if unlike is not None else None
        records: list[dict[str, Any]] = []
        lines: list[str] = []
        for file in files or (None,):
            vector = opened.vector(file, question)
            hits = opened.nearest(vector, top, history)
            choice = opened.label(vector) if file is not None else None
            records.append(_record(file, question, hits, choice))
            lines += _lines(file, hits, choice)
        lines.append(f"nearest by {opened.spec.encoder}; check that they show what you asked for")
    return Result(records, lines)


def _record(file: Path | None, question: str, hits: tuple[FoundPassage, ...], choice: Choice | None) -> dict[str, Any]:
    nearest = [{**msgspec.to_builtins(hit), "sentence": hit.sentence} for hit in hits]
    given = {"file": None if file is None else str(file), "question": question, "nearest": nearest}
    return given | ({"choice": msgspec.to_builtins(choice)} if choice is not None else {})


def _lines(file: Path | None, hits: tuple[FoundPassage, ...], choice: Choice | None) -> Iterator[str]:
    if file is not None:
        label = "" if choice is None else f": {choice.label}, {100 * choice.confidence:.0f} %"
        yield f"{click.format_filename(str(file))}{label}"
    for number, hit in enumerate(hits, 1):
        page = f", page {hit.page}" if hit.page else ""
        where = printable(" > ".join((hit.document, *hit.path)))
        yield f"[{number}] {hit.score:5.2f}  {where}{page}"
        if not hit.path or hit.text != hit.path[-1].replace(" ", "_"):
            yield printable(hit.text, keep="\n")
