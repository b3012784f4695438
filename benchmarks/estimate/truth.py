"""What compiled and counted programs take, measured once and kept in a file where one is named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.estimate.detectors import DetectorSubject, drawn_detectors
from benchmarks.estimate.kernels import kernel_programs
from benchmarks.estimate.machines import machine_programs
from benchmarks.estimate.random_networks import branched_networks, odd_networks, random_networks, wide_networks
from benchmarks.estimate.recurrent import recurrent_networks
from benchmarks.estimate.simple import row_programs, simple_subjects
from benchmarks.estimate.subjects import Subject, hapt_subjects, row_subjects
from edgewright.export.cores import own_code
from edgewright.workflows.estimation.workflow import Truth

Fitted = Subject | DetectorSubject


class Part(NamedTuple):
    """A set of subjects: its name, what draws them, how many, and the seed."""

    name: str
    draw: Callable[[int, int], Iterator[Fitted]]
    many: int
    seed: int


def parts(share: float) -> tuple[Part, ...]:
    """Return what coefficients are fitted on, or so much of it."""
    whole = (
        Part("networks", random_networks, 200, 21),
        Part("smaller", simple_subjects, 80, 11),
        Part("rows", row_subjects, 24, 5),
        Part("untrained", lambda many, seed: hapt_subjects(many, seed, trained=False), 60, 1),
        Part("features", hapt_subjects, 20, 4),
        Part("shapes", odd_networks, 48, 23),
        Part("branches", branched_networks, 24, 29),
        Part("answers", wide_networks, 30, 37),
    )
    return tuple(part._replace(many=round(part.many * share)) for part in whole)


def detectors(share: float) -> tuple[Part, ...]:
    """Return what coefficients of detectors are fitted on, or so much of it."""
    return (Part("detectors", drawn_detectors, round(120 * share), 31),)


def recurrent(share: float) -> tuple[Part, ...]:
    """Return what coefficients of layers with a state are fitted on, or so much of it."""
    return (Part("recurrent", recurrent_networks, round(100 * share), 41),)


def kernels(share: float) -> tuple[Part, ...]:
    """Return what coefficients of counts of patterns are fitted on, or so much of it."""
    return (Part("kernels", kernel_programs, round(30 * share), 47),)


def machines(share: float) -> tuple[Part, ...]:
    """Return what coefficients of kernel machines and sounds are fitted on, or so much of it."""
    return (Part("machines", machine_programs, round(30 * share), 53),)


def rows() -> tuple[Part, ...]:
    """Return what coefficients of programs on rows are fitted on, for cores without float instructions."""
    return (Part("programs on rows", row_programs, 60, 61),)


# Pipelines of windows, of which one of five is compiled in floats, too.
_WINDOWS = frozenset({"untrained", "features"})


def sampled_parts(chosen: Sequence[Part], core: str) -> Iterator[Fitted]:
    """Yield the subjects of several sets, some of them twice.

    Of those that a core has code of its own for, two of five are portable, too: slots have that, and other cores are
    estimated as this one. Pipelines of features are rarely float otherwise.
    """
    for part in chosen:
        for number, subject in enumerate(part.draw(part.many, part.seed)):
            yield subject
            if number % 5 < 2 and isinstance(subject, Subject) and own_code(subject.integers, core):
                yield replace(subject, name=f"{subject.name} portable", portable=True)
            elif number % 5 == 2 and isinstance(subject, Subject) and part.name in _WINDOWS:
                yield replace(subject, name=f"{subject.name} float", small=None)


def truths(core: str, subjects: Iterable[Fitted], kept: Path | None) -> Iterator[tuple[Fitted, Truth]]:
    """Subjects with what their programs take on a core.

    Args:
        core: name of an emulated core.
        subjects: programs.
        kept: folder in which truths are kept between runs; None measures all of them.
    """
    path = None if kept is None else kept / f"{core}.json"
    known: dict[str, Truth] = {}
    if path is not None and path.exists():
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, Truth])
    for subject in subjects:
        if subject.name not in known:
            known[subject.name] = subject.truth(core)
            print(f"{core} {subject.name}: {known[subject.name]}", file=sys.stderr, flush=True)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(msgspec.json.encode(known))
        yield subject, known[subject.name]
