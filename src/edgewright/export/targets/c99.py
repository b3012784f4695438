"""A whole pipeline as portable C99: raw sample in, answer out (docs/adr/0011-generated-c.md)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.adaptation.affine import AffineFactory
from edgewright.core.adaptation.learner import Factory
from edgewright.core.errors import InputError
from edgewright.core.formatting import percent
from edgewright.core.prediction.objects import read_objects
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.linkable import linkable, write_interval_c99, write_objects_c99, write_self_test
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.export.c99_learning.adapt import write_adapt_c99, write_affine_c99
from edgewright.export.c99_stream.detectors import Watchers, watchers_of, write_forecaster_c99
from edgewright.export.c99_stream.stream import write_denoiser_c99, write_network_stream_c99, write_stream_c99
from edgewright.export.contract import Exported, Subject, Target
from edgewright.graph.extract import marked_stages
from edgewright.graph.restoration import DenoiserFile
from edgewright.graph.streaming import remembers
from edgewright.monitor.detector_stream import DetectorFile
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.nlp.records import LanguageSpec

if TYPE_CHECKING:
    from edgewright.nlp.utterance.parse import Arrays


def _count(graph: Graph) -> int:
    """Return numbers of an answer: probabilities, or what is predicted."""
    return sum(int(np.prod(output.shape)) for output in graph.outputs if output.name not in ("label", "confidence"))


def options_of(subject: Subject) -> CodeOptions:
    """Return how portable code of a subject is written: its columns, their limits, and when an answer is unsure."""
    ends = [(column.minimum, column.maximum) for column in subject.columns]
    return CodeOptions(
        subject.word,
        columns=[column.name for column in subject.columns],
        units=[column.unit for column in subject.columns],
        ranges=[
            None
            if low is None and high is None
            else (-np.inf if low is None else low, np.inf if high is None else high)
            for low, high in ends
        ],
        confidence=subject.confidence,
    )


def around(subject: Subject, header: str) -> dict[str, str]:
    """Return what is written beside the model with this header: the stream that feeds it, and detectors."""
    watchers = watchers_in(subject)
    if subject.stream is None:
        return dict(watchers.files)
    return write_stream_c99(
        subject.stream,
        subject.graph.inputs[0].shape,
        _count(subject.graph),
        name=subject.word,
        columns=[column.name for column in subject.columns],
        watchers=watchers,
        turned=isinstance(subject.learned, AffineFactory),
        header=header,
    )


def _target_files(subject: Subject) -> dict[str, bytes]:
    # Compiled with taps, what ships shows every stage to a proof.
    graph, inside = marked_stages(subject.graph, subject.integers)
    learns = isinstance(subject.learned, Factory)
    options = replace(options_of(subject), inside=inside, core=subject.core, flash=subject.flash, learns=learns)
    texts = write_c99(graph, options, subject.integers)
    header = texts[f"{subject.word}.h"]
    if not subject.core and subject.integers is not None:
        variants = {core: write_c99(graph, replace(options, core=core), subject.integers) for core in CONDITIONS}
        texts = {
            file: joined(text, {core: own[file] for core, own in variants.items()}, subject.word)
            for file, text in texts.items()
        }
    if isinstance(subject.learned, Factory):
        texts |= write_adapt_c99(subject.learned, name=subject.word)
    if isinstance(subject.learned, AffineFactory):
        texts |= write_affine_c99(subject.learned, name=subject.word)
    test = write_self_test(subject.graph, subject.integers, name=subject.word, ranges=options.ranges)
    if subject.interval is not None:
        texts |= write_interval_c99(subject.interval, name=subject.word)
    return _encoded(
        {**texts, **around(subject, header), **test, **_steps(subject), **objects_files(subject)},
        subject.word,
    )


def objects_files(subject: Subject) -> dict[str, str]:
    """Return what finds objects in the map of an answer; nothing for other models."""
    spec = read_objects(subject.graph.metadata)
    return {} if spec is None else write_objects_c99(spec, name=subject.word)


def _steps(subject: Subject) -> dict[str, str]:
    """Return the network with a state, or causal convolutions, as a stream, where nothing needs the whole window."""
    network, stream = subject.integers, subject.stream
    filled = stream is not None and stream.window is not None and stream.window.fill_start
    if network is None or filled or not remembers(network):
        return {}
    try:
        return write_network_stream_c99(network, name=f"{subject.word}_steps")
    except InputError:
        return {}


def watchers_in(subject: Subject) -> Watchers:
    """Return the detectors exported with the model; those of its windows only where there is a stream."""
    window = None if subject.stream is None else subject.stream.window
    columns = [column.name for column in subject.columns]
    return watchers_of(subject.detectors, window, name=subject.word, columns=columns)


def _note(subject: Subject) -> str:
    watchers, word = watchers_in(subject), subject.word
    names = ", ".join(watcher.name for watcher in watchers.all)
    lines = []
    if objects_files(subject):
        lines.append(f"{word}_find_objects of {word}_objects.h lists the objects of an answer")
    if subject.interval is not None:
        level = percent(subject.interval.level)
        lines.append(f"{word}_interval of {word}_interval.h gives the interval of {level} around a prediction")
    if subject.stream is not None:
        kind = "decisions and alarms" if subject.stream.labels else "answers"
        also = f", and anomalies by {names}" if names else ""
        lines.append(f"{word}_push of {word}_stream.h takes the rows of a stream one by one and reports {kind}{also}")
    else:
        lines += [f"{w.prefix}_detect of {w.prefix}_detect.h takes rows and reports anomalies" for w in watchers.all]
    if _steps(subject):
        text = "takes the network's bytes step by step; its state is saved and restored, and survives a power cut"
        lines.append(f"{word}_steps_network of {word}_steps.h {text}")
    lines += [f"left out, because C cannot say it: detector {name}: {why}" for name, why in watchers.refused.items()]
    return "; ".join(lines)


def _write_forecaster(forecaster: ForecasterFile, name: str) -> Exported:
    return Exported(_encoded(write_forecaster_c99(forecaster, name=name), name))


def _write_detector(detector: DetectorFile, name: str) -> Exported:
    spec = detector.spec
    files = write_detector_c99(
        spec.kind, detector.learnt, name=name, columns=tuple(column.name for column in spec.columns),
        threshold=spec.threshold.value, refractory=spec.refractory, window=spec.window,
    )  # fmt: skip
    return Exported(_encoded(files, name))


def _write_denoiser(denoiser: DenoiserFile, name: str) -> Exported:
    spec, code = denoiser.spec, write_denoiser_c99(denoiser, name=name)
    note = (f"{name}_step takes {spec.hop} samples and gives {spec.hop}, {spec.delay} samples late; "
            f"{code.ram:,} bytes of RAM, {code.constants:,} of constants")  # fmt: skip
    return Exported(_encoded(code.files, name), (note,))


def _write_language(model: tuple[LanguageSpec, Arrays], name: str) -> Exported:
    from edgewright.export.c99_language.student import write_language_c99  # noqa: PLC0415 - its rules take long to compile

    note = (
        f"{name}_parse(&context, text, bytes, &answer), then "
        f"{name}_find_slots(&context, text, bytes, answer.intent, today, slots)"
    )
    return Exported(_encoded(write_language_c99(*model, name=name), name), (note,))


def _encoded(texts: Mapping[str, str], word: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in linkable(texts, word).items()}


TARGET = Target(
    description="C99 source and header, preprocessing included, no heap, no library", files=_target_files, note=_note,
    watches=True,
    writers={
        "forecaster": _write_forecaster, "denoiser": _write_denoiser, "detector": _write_detector,
        "language model": _write_language,
    },
)  # fmt: skip


# Core -> what its compiler says of itself. Vectors come first: a core that has them has two multipliers, too.
CONDITIONS = {
    "cortex-m55": "defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)",
    "cortex-m4": "defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP",
    # Clang 14 does not say that V contains Zve32x.
    "riscv32v": "(defined(__riscv_zve32x) || defined(__riscv_v)) && __riscv_xlen == 32",
}
Region = tuple[int, int]


def joined(portable: str, variants: Mapping[str, str], name: str) -> str:
    """Return one text that holds portable code, and that of other cores where it differs.

    Args:
        portable: of the file.
        variants: core, of `CONDITIONS` -> its text of the same file.
        name: prefix of macros; code compiled with NAME_PORTABLE takes the portable text.
    """
    base = _blocks(portable)
    others = {core: _blocks(text) for core, text in variants.items() if text != portable}
    matches = {
        core: difflib.SequenceMatcher(None, base, blocks, autojunk=False).get_opcodes()
        for core, blocks in others.items()
    }
    regions = _merged([(a, b) for codes in matches.values() for tag, a, b, _, _ in codes if tag != "equal"])
    parts, at = list[str](), 0
    for first, last in regions:
        parts += base[at:first]
        texts: dict[str, list[str]] = {}
        for core, blocks in others.items():
            begin, end = (
                _other_index(matches[core], index, upper=upper) for index, upper in ((first, False), (last, True))
            )
            texts.setdefault("\n\n".join(blocks[begin:end]), []).append(f"({CONDITIONS[core]})")
        for number, (text, conditions) in enumerate(texts.items()):
            guard = f"!defined({name.upper()}_PORTABLE) && ({' || '.join(conditions)})"
            parts.append(f"#{'elif' if number else 'if'} {guard}\n{text}")
        portable_text = "\n\n".join(base[first:last])
        parts.append(f"#else\n{portable_text}\n#endif")
        at = last
    return "\n\n".join([*parts, *base[at:]])


def _blocks(text: str) -> list[str]:
    """Return a text at its empty lines, a comment in one piece."""
    return re.split(r"\n\n(?=\S|\Z)", text)


def _merged(regions: Sequence[Region]) -> list[Region]:
    result: list[Region] = []
    for first, last in sorted(regions):
        if result and first <= result[-1][1]:
            result[-1] = result[-1][0], max(last, result[-1][1])
        else:
            result.append((first, last))
    return result


def _other_index(codes: Sequence[tuple[str, int, int, int, int]], index: int, *, upper: bool) -> int:
    """Return where the other text goes on at a place of the base that no difference contains."""
    places = [
        c if index == a else d if index == b else c + index - a
        for tag, a, b, c, d in codes
        if a <= index <= b and (tag == "equal" or index in (a, b))
    ]
    return (max if upper else min)(places, default=0)
