"""A whole pipeline as portable C99: raw sample in, answer out (docs/adr/0011-generated-c.md)."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_pipeline import Range, write_c99, write_network_c99
from edgewright.export._c_self_test import write_self_test
from edgewright.export._c_stream import write_stream_c99
from edgewright.export._c_stream_detectors import Watchers, watchers_of
from edgewright.export.contract import Subject, Target
from edgewright.graph.stages import marked_stages
from edgewright.schema.graph import Graph

__all__ = ("TARGET", "write_c99", "write_network_c99")


def _count(graph: Graph) -> int:
    """Numbers of an answer: probabilities, or what is predicted."""
    return sum(int(np.prod(output.shape)) for output in graph.outputs if output.name not in ("label", "confidence"))


def limits_of(subject: Subject) -> list[Range]:
    """Smallest and largest value of each column as `write_c99` takes them."""
    return [
        None
        if column.minimum is None and column.maximum is None
        else (
            -np.inf if column.minimum is None else column.minimum,
            np.inf if column.maximum is None else column.maximum,
        )
        for column in subject.columns
    ]


def around(subject: Subject) -> dict[str, str]:
    """What is written beside the model: the stream that feeds it, and detectors."""
    watchers = _watchers(subject)
    if subject.stream is None:
        return dict(watchers.files)
    return write_stream_c99(
        subject.stream,
        subject.graph.inputs[0].shape,
        _count(subject.graph),
        name=subject.word,
        columns=[column.name for column in subject.columns],
        watchers=watchers,
    )


def _target_files(subject: Subject) -> dict[str, bytes]:
    # Compiled with taps, what ships shows every stage to a proof.
    graph, inside = marked_stages(subject.graph, subject.integers)
    made = write_c99(
        graph,
        subject.integers,
        name=subject.word,
        columns=[column.name for column in subject.columns],
        units=[column.unit for column in subject.columns],
        ranges=limits_of(subject),
        inside=inside,
        confidence=subject.confidence,
    )
    test = write_self_test(subject.graph, subject.integers, name=subject.word, ranges=limits_of(subject))
    return {name: text.encode() for name, text in {**made, **around(subject), **test}.items()}


def _watchers(subject: Subject) -> Watchers:
    """The detectors that travel with the model; those of its own windows have none to see where there is no stream."""
    window = None if subject.stream is None else subject.stream.window
    columns = [column.name for column in subject.columns]
    return watchers_of(subject.detectors, window, name=subject.word, columns=columns)


def _note(subject: Subject) -> str:
    watchers, word = _watchers(subject), subject.word
    names = ", ".join(watcher.name for watcher in watchers.all)
    lines = []
    if subject.stream is not None:
        kind = "decisions and alarms" if subject.stream.labels else "answers"
        also = f", and anomalies by {names}" if names else ""
        lines.append(f"{word}_push of {word}_stream.h takes the rows of a stream one by one and tells {kind}{also}")
    else:
        lines += [f"{w.prefix}_detect of {w.prefix}_detect.h takes rows and tells anomalies" for w in watchers.all]
    lines += [f"left out, because C cannot say it: detector {name}: {why}" for name, why in watchers.refused.items()]
    return "; ".join(lines)


TARGET = Target(
    description="C99 source and header, preprocessing included, no heap, no library", files=_target_files, note=_note,
    watches=True,
)  # fmt: skip
