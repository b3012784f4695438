"""A language model as files for a device, for `edgewright export` and `edgewright language export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.schema.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgewright.nlp.utterance.model_file import Arrays
    from edgewright.schema.language import LanguageSpec

_TARGETS = ("c99", "onnx", "tflite")


def export_language(
    place: Path, target: str, options: Mapping[str, Any], *, name: str, out: Path, force: bool, as_json: bool
) -> None:
    """Writes a model in C99, or its network as .tflite or ONNX with what stands before it in C99.

    Args:
        place: of the model.
        target: c99, onnx or tflite.
        options: --form and --rounding of a network; any other is refused.
        name: of the files; the model's own when empty.
        out: folder.
        force: replace files.
        as_json: print JSON.

    Raises:
        InputError: another target, an option that says nothing here, or a model that is none.
    """
    import re

    import msgspec

    from edgewright.export.write import write_files

    if target not in _TARGETS:
        raise UnknownNameError("export target of a language model", target, _TARGETS, str(place))
    for option, value in options.items():
        if value and option not in ("--form", "--rounding"):
            raise InputError(f"{option} with a model of samples", str(value), str(place), f"Leave {option} out")
        if value and target == "c99":
            raise InputError(f"{option} with --to tflite or onnx", str(value), str(place), "C is int8, rounded once")
    spec, arrays = read_for_device(place)
    word = re.sub(r"\W", "_", name or spec.name, flags=re.ASCII)[:40]
    word = name or (word if word[:1].isalpha() else f"m_{word}"[:40])
    if target == "c99":
        files, said = _c99(spec, arrays, word)
    else:
        files, said = _network(spec, arrays, word, target, options.get("--form") or "int8", options.get("--rounding"))
    written = write_files(out, files, force=force)
    if as_json:
        listed = [{"path": str(path), "bytes": len(data)} for path, data in written.items()]
        told = {
            "name": spec.name,
            "target": target,
            "intents": list(spec.intents),
            "files": listed,
            "note": "; ".join(said),
        }
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())
        return
    click.echo(f"{spec.name}: {len(spec.intents)} intents")
    for path, data in written.items():
        click.echo(f"  wrote {click.format_filename(str(path))}, {len(data):,} bytes")
    for line in said:
        click.echo(f"  {line}")


def read_for_device(place: Path) -> tuple[LanguageSpec, Arrays]:
    """A model with a student, which has proven itself.

    Raises:
        InputError: no model, a head for gateways, or one that does not give its own test vectors again.
    """
    from edgewright.nlp.utterance.model_file import read_language
    from edgewright.nlp.utterance.parse import Understanding

    spec, arrays = read_language(place)
    if spec.student is None:
        raise InputError(
            "a student", "a head for gateways", str(place), "Train one: edgewright language train --for device"
        )
    Understanding(spec, arrays, str(place))
    return spec, arrays


def _c99(spec: LanguageSpec, arrays: Arrays, word: str) -> tuple[dict[str, bytes], list[str]]:
    """All of the model."""
    from edgewright.export.c99_language.student import write_language_c99

    texts = write_language_c99(spec, arrays, name=word)
    said = [
        f"{word}_parse(&context, text, bytes, &answer), then "
        f"{word}_find_slots(&context, text, bytes, answer.intent, today, slots)"
    ]
    return {file: text.encode() for file, text in texts.items()}, said


def _network(
    spec: LanguageSpec, arrays: Arrays, word: str, target: str, form: str, rounding: Any  # noqa: ANN401 - or None
) -> tuple[dict[str, bytes], list[str]]:  # fmt: skip
    """The student's network, and in C what makes its input."""
    from edgewright.cli.interrupt import loading

    with loading():
        import math

        from edgewright.core import catalogue
        from edgewright.export.c99_language.features import write_features_c99
        from edgewright.export.contract import Subject
        from edgewright.language.intents.graph import float_graph, int8_graph
        from edgewright.nlp.utterance.features import UNIT, ZERO
        from edgewright.nlp.utterance.student import Student

    if form not in ("float", "int8"):
        raise UnknownNameError("form of a language model", form, ("float", "int8"), "--form")
    chosen = catalogue.find("edgewright.export", target, "TARGET", "export target")
    graph = (float_graph if form == "float" else int8_graph)(spec, arrays)
    subject = Subject(word, graph, rounding or "litert")
    files = {**chosen.files(subject)}
    files |= {file: text.encode() for file, text in write_features_c99(spec, name=word).items()}
    said = [
        f"{word}_features(&context, text, bytes, input) makes the input in C; "
        f"as float32 it is (byte + {-ZERO}) / {UNIT}"
    ]
    said += chosen.told(subject).split("; ") if chosen.told(subject) else []
    student = spec.student
    if student is not None:
        limits = Student(student, arrays, len(spec.intents), word).limits
        last = subject.network.values[subject.network.output] if form == "int8" else None

        def shown(limit: int) -> str:
            value = limit * student.scale
            byte = "" if last is None else f" (byte {max(-128, math.ceil(value / last.scale + last.zero))})"
            return f"{value:.4g}{byte}"

        said.append(f"out of scope where the largest logit is below {shown(student.threshold)}")
        for name, limit in zip(spec.intents, limits.tolist(), strict=True):
            said[-1] += f", of {name} below {shown(limit)}" if limit > student.threshold else ""
    left = [part for part, there in (("slots", spec.tagger), ("gazetteers", spec.gazetteers)) if there]
    if left:
        said.append(f"{' and '.join(left)} are in --to c99")
    return files, said
