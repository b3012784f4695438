"""What commands that export share: files written and listed; exports of forecasters, denoisers, upscalers."""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, option
from edgewright.cli.interrupt import loading
from edgewright.schema.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgewright.export.contract import Target
    from edgewright.nlp.utterance.model_file import Arrays
    from edgewright.schema.language import LanguageSpec

_LARGEST_FILE = 1 << 24
_LANGUAGE, _UPSCALER = "language model", "upscaler"


@dataclass(frozen=True, kw_only=True)
class OutOptions:
    """Where an export goes, and under which name."""

    name: str = option(help="Prefix of all names; the model's own by default.")
    out: Path = option(default=Path("exported"), help="Output folder.")
    force: bool = option(help="Replace existing files, and remove older ones of this export.")


def write_export(
    options: OutOptions, files: Mapping[str, bytes], export: str, record: Mapping[str, Any], *,
    title: str = "", notes: Sequence[str] = (), hashed: bool = False,
) -> Result:  # fmt: skip
    """Write files and list them.

    Args:
        options: folder, and whether files are replaced: those of these names and of earlier exports of `export`.
        files: bytes by name.
        export: target and name.
        record: the JSON document; the list of files stands under its key 'files'.
        title: first lines, under which the files are indented.
        notes: last lines.
        hashed: the list has the SHA-256 of each file.
    """
    from edgewright.export.write import write_files

    written = write_files(options.out, dict(files), export, force=options.force)
    listed = [
        {"path": str(path), "bytes": len(data), **({"sha256": sha256(data).hexdigest()} if hashed else {})}
        for path, data in written.files.items()
    ]
    lines = [f"wrote {click.format_filename(path)}, {len(data):,} bytes" for path, data in written.files.items()]
    removed, changed = (", ".join(map(click.format_filename, paths)) for paths in (written.removed, written.changed))
    lines += [f"removed {removed}, written by an earlier export"] if removed else []
    lines += [f"kept {changed}, changed since an earlier export wrote it"] if changed else []
    text = [title, *(f"  {line}" for line in (*lines, *notes))] if title else [*lines, *notes]
    earlier = {"removed": list(map(str, written.removed)), "changed": list(map(str, written.changed))}
    return Result({**record, "files": listed, **earlier}, text)


def kind_of(path: Path) -> str:
    """Return the kind of a file as `export.contract.Target.writers` has it; empty for a pipeline or a model."""
    from edgewright.graph.denoising import is_denoiser
    from edgewright.graph.upscaling import is_upscaler
    from edgewright.monitor.forecaster import is_forecaster

    if path.suffix == ".language":
        return _LANGUAGE
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size < _LARGEST_FILE else b""
    except OSError:
        return ""
    kinds = {"forecaster": is_forecaster, "denoiser": is_denoiser, _UPSCALER: is_upscaler}
    return next((kind for kind, fits in kinds.items() if fits(data)), "")


def export_forecaster(path: Path, target: str, options: OutOptions) -> Result:
    """Export the file of a forecaster.

    Raises:
        UnknownNameError: for a target that does not write forecasters.
    """
    from edgewright.export.contract import find_target
    from edgewright.monitor.forecaster import read_forecaster

    forecaster = read_forecaster(path)
    writer = find_target(target, "forecaster", str(path)).writers["forecaster"]
    word = options.name or path.name.split(".")[0]
    spec, files = forecaster.spec, writer(forecaster, word).files
    title = f"{spec.name} of {spec.column}, {spec.horizon} rows ahead"
    record = {"name": spec.name, "column": spec.column, "target": target, "files": ()}
    return write_export(options, files, f"{target} {word}", record, title=title)


def export_denoiser(path: Path, target: str, form: str, options: OutOptions) -> Result:
    """Export the file of a denoiser: the stream, or the network of one window where the target has no more.

    Raises:
        UnknownNameError: for a target that writes neither.
        InputError: for a form that is none, or float of a target that writes the stream.
    """
    from edgewright.core.onnx.reader import read_onnx
    from edgewright.export.contract import Exported, Subject, find_target
    from edgewright.graph.denoising import read_denoiser

    denoiser = read_denoiser(path)
    spec = denoiser.spec
    word = options.name or re.sub(r"\W", "_", spec.name)
    chosen = find_target(target, "denoiser", str(path), network=True)
    writer = chosen.writers.get("denoiser")
    if form not in ("", "int8", "float") or (form == "float" and writer is not None):
        raise InputError("int8, or float for onnx and tflite", repr(form), "--form")
    if writer is not None:
        exported = writer(denoiser, word)
    else:
        graph = read_onnx(denoiser.float_model if form == "float" else denoiser.int8_model)
        subject = Subject(word, graph, spec.rounding)
        note = (f"the window form: {len(spec.columns)} x {spec.window} in and out, {spec.delay} samples late, from a "
                f"state of zeros; {chosen.notes(subject)}").rstrip("; ")  # fmt: skip
        exported = Exported(chosen.files(subject), (note,))
    title = f"{spec.name}: {form or 'int8'}, {spec.rate:g} samples a second of {', '.join(spec.columns)}"
    note = "; ".join(exported.notes)
    record = {"name": spec.name, "target": target, "form": form or "int8", "files": (), "note": note}
    return write_export(options, exported.files, f"{target} {word}", record, title=title, notes=[note])


def export_upscaler(path: Path, target: str, form: str, options: OutOptions) -> Result:
    """Export the file of an upscaler: all of it for a target that writes graphs, or its network.

    Raises:
        UnknownNameError: for a target that writes neither.
        InputError: for a form that is none.
    """
    from edgewright.core.onnx.reader import read_onnx
    from edgewright.export.contract import Subject, find_target
    from edgewright.graph.upscaling import read_upscaler

    upscaler = read_upscaler(path)
    spec, form = upscaler.spec, form or "int8"
    word = options.name or re.sub(r"\W", "_", spec.name)
    if form not in ("int8", "float"):
        raise InputError("int8 or float", repr(form), "--form")
    chosen = find_target(target)
    graph = read_onnx(upscaler.float_model if form == "float" else upscaler.int8_model)
    subject = Subject(word, graph, spec.rounding)
    sizes = " x ".join(map(str, graph.inputs[0].shape)), " x ".join(map(str, graph.outputs[0].shape))
    note = f"{sizes[0]} in, of which {spec.halo} at each end are only seen; {sizes[1]} out; {chosen.notes(subject)}"
    record = {"name": spec.name, "target": target, "form": form, "files": (), "note": note.rstrip("; ")}
    title = f"{spec.name}: {form}, {spec.factor} times {', '.join(spec.columns)}"
    return write_export(
        options, chosen.files(subject), f"{target} {word}", record, title=title, notes=[note.rstrip("; ")]
    )


def export_language(path: Path, target: str, settings: Mapping[str, Any], options: OutOptions) -> Result:
    """Export a language model: all of it, or its network and in C what makes the network's input.

    Args:
        path: of the model.
        target: name of it.
        settings: --form and --rounding of a network; any other is refused.
        options: where the files go.

    Raises:
        UnknownNameError: for another target.
        InputError: for an option that means nothing here, or a file that is no model.
    """
    from edgewright.export.contract import find_target

    chosen = find_target(target, _LANGUAGE, str(path), network=True)
    writer = chosen.writers.get(_LANGUAGE)
    for flag, value in settings.items():
        if value and flag not in ("--form", "--rounding"):
            raise InputError(f"{flag} with a model of samples", str(value), str(path), f"Omit {flag}")
        if value and writer is not None:
            raise InputError(f"{flag} with --to tflite or onnx", str(value), str(path), "C is int8, rounded once")
    spec, arrays = read_for_device(path)
    word = re.sub(r"\W", "_", options.name or spec.name, flags=re.ASCII)[:40]
    word = options.name or (word if word[:1].isalpha() else f"m_{word}"[:40])
    if writer is not None:
        exported = writer((spec, arrays), word)
        files, notes = exported.files, list(exported.notes)
    else:
        files, notes = _network(
            spec, arrays, word, chosen, settings.get("--form") or "int8", settings.get("--rounding")
        )
    intents, note = list(spec.intents), "; ".join(notes)
    record = {"name": spec.name, "target": target, "intents": intents, "files": (), "note": note}
    title = f"{spec.name}: {len(intents)} intents"
    return write_export(options, files, f"{target} {word}", record, title=title, notes=notes)


def read_for_device(path: Path) -> tuple[LanguageSpec, Arrays]:
    """Return a model with a student, which has proven itself.

    Raises:
        InputError: no model, a head for gateways, or one that does not give its own test vectors again.
    """
    from edgewright.nlp.utterance.model_file import read_language
    from edgewright.nlp.utterance.parse import Understanding

    spec, arrays = read_language(path)
    if spec.student is None:
        raise InputError(
            "a student", "a head for gateways", str(path), "Train one: edgewright language train --for device"
        )
    Understanding(spec, arrays, str(path))
    return spec, arrays


def _network(
    spec: LanguageSpec, arrays: Arrays, word: str, target: Target, form: str, rounding: Any  # noqa: ANN401 - or None
) -> tuple[dict[str, bytes], list[str]]:  # fmt: skip
    """Return the student's network, and in C what makes its input."""
    with loading():
        from edgewright.export.c99_code.linkable import linkable
        from edgewright.export.c99_language.student import write_features_c99
        from edgewright.export.contract import Subject
        from edgewright.language.intents.graph import float_graph, int8_graph
        from edgewright.nlp.utterance.student import UNIT, ZERO, Student

    if form not in ("float", "int8"):
        raise UnknownNameError("form of a language model", form, ("float", "int8"), "--form")
    graph = (float_graph if form == "float" else int8_graph)(spec, arrays)
    subject = Subject(word, graph, rounding or "litert")
    files = {**target.files(subject)}
    files |= {file: text.encode() for file, text in linkable(write_features_c99(spec, name=word), word).items()}
    notes = [
        f"{word}_features(&context, text, bytes, input) makes the input in C; "
        f"as float32 it is (byte + {-ZERO}) / {UNIT}"
    ]
    notes += target.notes(subject).split("; ") if target.notes(subject) else []
    student = spec.student
    if student is not None:
        limits = Student(student, arrays, len(spec.intents), word).limits
        last = subject.network.values[subject.network.output] if form == "int8" else None

        def shown(limit: int) -> str:
            value = limit * student.scale
            byte = "" if last is None else f" (byte {max(-128, math.ceil(value / last.scale + last.zero))})"
            return f"{value:.4g}{byte}"

        notes.append(f"out of scope if the largest logit is below {shown(student.threshold)}")
        for name, limit in zip(spec.intents, limits.tolist(), strict=True):
            notes[-1] += f", of {name} below {shown(limit)}" if limit > student.threshold else ""
    left = [part for part, there in (("slots", spec.tagger), ("gazetteers", spec.gazetteers)) if there]
    if left:
        notes.append(f"{' and '.join(left)} are in --to c99")
    return files, notes


def is_text_model(path: Path) -> bool:
    """Return whether a file is a model of `language train-text`; a damaged archive is left to its reader."""
    from edgewright.nlp.texts.model_file import SPEC

    try:
        with zipfile.ZipFile(path) as archive:
            return SPEC in archive.namelist()
    except (OSError, ValueError, NotImplementedError, struct.error, zipfile.BadZipFile):
        return False


def export_text(path: Path, target: str, settings: Mapping[str, Any], options: OutOptions) -> Result:
    """Export a model of text as C.

    Args:
        path: of the model.
        target: c99 alone.
        settings: options of other models, none of which a model of text has.
        options: where the files go.

    Raises:
        InputError: another target, or a setting.
    """
    from edgewright.export.c99_language.texts import text_files
    from edgewright.nlp.texts.model_file import read_text_arrays

    if target != "c99":
        raise InputError("--to c99, the form of a model of text", repr(target), str(path))
    for flag, value in settings.items():
        if value:
            raise InputError(f"{flag} with another model than one of text", str(value), str(path), f"Omit {flag}")
    spec, arrays = read_text_arrays(path)
    word = re.sub(r"\W", "_", options.name or spec.name, flags=re.ASCII)[:40]
    word = word if word[:1].isalpha() else f"m_{word}"[:40]
    files = text_files(spec.kind, arrays, word)
    size = sum(array.nbytes for array in arrays.values())
    record = {"name": spec.name, "target": target, "kind": spec.kind, "bytes": size, "files": ()}
    title = f"{spec.name}: {spec.kind}, {size:,} bytes"
    return write_export(options, files, f"{target} {word}", record, title=title)
