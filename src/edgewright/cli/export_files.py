"""What commands that export share: files written and listed; exports of forecasters, denoisers, upscalers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import ExportError, ModelError, OptionError, UnknownNameError

if TYPE_CHECKING:
    from edgewright.export.contract import Target
    from edgewright.nlp.records import LanguageSpec
    from edgewright.nlp.utterance.parse import Arrays

_LARGEST_FILE = 1 << 24
_LANGUAGE = "language model"


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
    from edgewright.graph.restoration import is_restorer
    from edgewright.monitor.forecaster import is_forecaster

    if path.suffix in (".language", ".detector"):
        return {".language": _LANGUAGE}.get(path.suffix, "detector")
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size < _LARGEST_FILE else b""
    except OSError:
        return ""
    kinds = {"forecaster": is_forecaster, "restorer": is_restorer}
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


def export_detector(path: Path, target: str, options: OutOptions) -> Result:
    """Export the file of a detector: all of it as C, or for other targets the network of an autoencoder.

    Raises:
        UnknownNameError: for a target that writes neither.
        InputError: a file that is no detector, or one that C cannot hold.
    """
    import numpy as np

    from edgewright.core.integer.network import rounding_of
    from edgewright.core.onnx.reader import read_onnx
    from edgewright.export.contract import Exported, Subject, find_target
    from edgewright.monitor.detector_stream import Watch, read_detector

    detector = read_detector(path)
    Watch(detector)  # refuses arrays that do not fit together
    network, word = detector.learnt.get("model"), options.name or path.name.split(".")[0]
    chosen = find_target(target, "detector", str(path), network=network is not None)
    if "detector" in chosen.writers:
        exported = chosen.writers["detector"](detector, word)
    else:
        graph = read_onnx(np.asarray(network, np.uint8).tobytes())
        exported = Exported(chosen.files(Subject(word, graph, rounding_of(graph))))
    record = {"name": word, "target": target, "kind": detector.spec.kind, "files": ()}
    columns = ", ".join(column.name for column in detector.spec.columns)
    return write_export(options, exported.files, f"{target} {word}", record, title=f"{detector.spec.kind} of {columns}")


def export_restorer(path: Path, target: str, form: str, options: OutOptions) -> Result:
    """Export the file of a denoiser or an upscaler.

    Targets that write streams take the whole denoiser; of an upscaler, and for other targets, the graph or the network
    of one window is written.

    Raises:
        UnknownNameError: the target writes neither.
        InputError: an unknown form, or float for a target that writes the stream.
    """
    from edgewright.core.onnx.reader import read_onnx
    from edgewright.export.contract import Exported, Subject, find_target
    from edgewright.graph.restoration import DenoiserFile, read_restorer

    file, form = read_restorer(path), form or "int8"
    spec, is_denoiser = file.spec, isinstance(file, DenoiserFile)
    word = options.name or re.sub(r"\W", "_", spec.name)
    chosen = find_target(target, "denoiser", str(path), network=True) if is_denoiser else find_target(target)
    writer = chosen.writers.get("denoiser") if is_denoiser else None
    if form not in ("int8", "float") or (form == "float" and writer is not None):
        raise ExportError("int8, or float for a target that writes windows", repr(form), "--form")
    columns = ", ".join(spec.columns)
    if writer is not None:
        exported = writer(file, word)
    else:
        graph = read_onnx(file.float_model if form == "float" else file.int8_model)
        subject = Subject(word, graph, spec.rounding)
        sizes = " x ".join(map(str, graph.inputs[0].shape)), " x ".join(map(str, graph.outputs[0].shape))
        note = f"window form: {sizes[0]} in, {sizes[1]} out"
        if isinstance(file, DenoiserFile):
            note += f", {file.spec.delay} samples late, from a state of zeros"
        else:
            note += f", of which {file.spec.halo} at each end are context"
        exported = Exported(chosen.files(subject), (f"{note}; {chosen.notes(subject)}".rstrip("; "),))
    work = f"{spec.rate:g} samples a second of" if isinstance(file, DenoiserFile) else f"{file.spec.factor} times"
    note = "; ".join(exported.notes)
    record = {"name": spec.name, "target": target, "form": form, "files": (), "note": note}
    title = f"{spec.name}: {form}, {work} {columns}"
    return write_export(options, exported.files, f"{target} {word}", record, title=title, notes=[note])


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
            raise OptionError(f"{flag} with a model of samples", str(value), str(path), f"Omit {flag}")
        if value and writer is not None:
            raise OptionError(f"{flag} with --to tflite or onnx", str(value), str(path), "C is int8, rounded once")
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
    from edgewright.nlp.utterance.parse import Understanding, read_language

    spec, arrays = read_language(path)
    if spec.student is None:
        raise ModelError(
            "a student", "a head for gateways", str(path), "Train one: edgewright language train --for device"
        )
    Understanding(spec, arrays, str(path))
    return spec, arrays


def _network(
    spec: LanguageSpec, arrays: Arrays, word: str, target: Target, form: str, rounding: Any  # noqa: ANN401 - or None
) -> tuple[dict[str, bytes], list[str]]:  # fmt: skip
    with loading():
        from edgewright.export.c99_code.linkable import linkable
        from edgewright.export.c99_language.student import write_features_c99
        from edgewright.export.contract import Subject
        from edgewright.language.intents.network import float_graph, int8_graph
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
