"""What compiled and counted programs take, measured once and kept in a file where one is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.estimate.simple import simple_subjects
from benchmarks.estimate.subjects import Subject, subjects
from edgewright.export import contract
from edgewright.pipeline.toolchain import Truth, truth_of


class Part(NamedTuple):
    """A set of subjects: how many are drawn, their seed, and what `subjects` takes beside; or simple ones."""

    many: int
    seed: int
    trained: bool = True
    rows: bool = False
    simple: bool = False

    def subjects(self) -> Iterator[Subject]:
        """Those that are drawn."""
        if self.simple:
            return simple_subjects(self.many, self.seed)
        return subjects(self.many, self.seed, self.trained, self.rows)


def truths(core: str, parts: Sequence[Part], kept: Path | None) -> Iterator[tuple[Subject, Truth]]:
    """Subjects of several sets with what their programs take on a core; arguments as of `_truths`."""
    for part in parts:
        yield from _truths(core, part, kept)


def _truths(core: str, part: Part, kept: Path | None) -> Iterator[tuple[Subject, Truth]]:
    """Subjects with what their programs take on a core.

    Args:
        core: name of an emulated core.
        part: of the subjects.
        kept: folder in which truths are kept between runs; None measures all of them.
    """
    path = None if kept is None else kept / f"{core}-{part.seed}.json"
    known: dict[str, Truth] = {}
    if path is not None and path.exists():
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, Truth])
    for subject in part.subjects():
        if subject.name not in known:
            graph = subject.small or subject.graph
            network = contract.Subject("model", graph).integers
            known[subject.name] = truth_of(graph, network, core, subject.row)
            print(f"{core} {subject.name}: {known[subject.name]}", file=sys.stderr, flush=True)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(msgspec.json.encode(known))
        yield subject, known[subject.name]
