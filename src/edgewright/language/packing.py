"""Packing of an index and its encoder of pictures or sounds as a finder: a folder for a device."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from edgewright.core.archive import to_npy
from edgewright.core.errors import CheckFailedError, ExistingFileError, InputError, OutputError, OwnModelError
from edgewright.core.files import os_errors, sync, write_atomic
from edgewright.core.input.riff import wav_bytes
from edgewright.language.documents.index import MediaEncoder, check_encoder
from edgewright.language.own_models.kinds import copy_files, with_weights
from edgewright.language.zero_shot import background
from edgewright.nlp.documents.media import MEDIA_GRAPHS, PREPROCESSING, Kind, existing
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.finder import (
    AROUND,
    DESCRIBED,
    ENCODER,
    INDEX,
    OTHERS,
    QUESTIONS,
    SPEC,
    TESTED,
    TESTS,
    Finder,
    FinderSpec,
    Labels,
    file_record,
)

_TESTS = 4


def write_finder(
    out: Path,
    index: Path,
    directory: Path,
    *,
    licence: str,
    questions: Sequence[str] = (),
    labels: Labels | None = None,
) -> FinderSpec:
    """Write a finder, open it as a device does, and return its record.

    Args:
        out: folder, which is not there yet.
        index: of pictures, of sounds, or of documents with the vectors of a pair's text encoder.
        directory: of the encoder that the index was built with.
        licence: of the encoder.
        questions: that the device can ask in words.
        labels: that pictures or sounds get.

    Raises:
        InputError: another encoder, an index without vectors, or texts without an encoder of text.
        OutputError: the folder cannot be written.
    """
    encoder = MediaEncoder(directory)
    with DocumentIndex(index) as opened:
        check_encoder(opened, encoder, directory)
    with os_errors(OutputError, "to write a finder", out, "Free some space, or choose another folder"), (
        tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)
    ) as temporary:  # fmt: skip
        folder = Path(temporary) / out.name
        for part in (ENCODER, TESTS, "vectors"):
            (folder / part).mkdir(parents=True)
        shutil.copyfile(index, folder / INDEX)
        graph = existing(directory, MEDIA_GRAPHS)
        assert graph is not None  # noqa: S101 - the encoder has read it
        how = [path for path in [directory / PREPROCESSING] if path.is_file()]
        copy_files(directory, folder / ENCODER, [*with_weights(graph), *how])
        names = _write_tests(folder, encoder.kind, encoder.rate)
        vectors = {QUESTIONS: list(questions)}
        if labels is not None:
            vectors |= {DESCRIBED: list(labels.descriptions), OTHERS: list(labels.others),
                        AROUND: list(background(encoder.kind))}  # fmt: skip
        for name, texts in vectors.items():
            rows = encoder.encode(texts) if texts else np.zeros((0, encoder.dimensions), np.float32)
            (folder / name).write_bytes(to_npy(np.asarray(rows, np.float32)))
        tested = np.stack([encoder.encode_file(folder / name) for name in names])
        if float(np.ptp(tested, axis=0).max()) < 1e-6:
            raise OwnModelError(f"vectors that differ between {encoder.kind}s", "the same for all", str(directory))
        (folder / TESTED).write_bytes(to_npy(tested))
        record = FinderSpec(
            encoder=encoder.name, media=encoder.kind, dimensions=encoder.dimensions, licence=licence,
            engine="onnxruntime", questions=tuple(questions), labels=labels, tests=(), files=(),
        )  # fmt: skip
        record = _tested(folder, record, names, tested)
        for path in sorted(folder.rglob("*")):
            sync(path)
        try:
            folder.rename(out)
        except OSError:
            if not out.exists():
                raise
            raise ExistingFileError("a folder that is not there yet", "one that is", str(out)) from None
        sync(out.parent)
    return record


def _tested(folder: Path, record: FinderSpec, names: Sequence[str], vectors: np.ndarray) -> FinderSpec:
    """Write the record with what the finder answers, open it, and say whether the base install runs it."""
    files = tuple(file_record(folder, path) for path in sorted(folder.rglob("*")) if path.is_file())

    def written(changed: FinderSpec) -> FinderSpec:
        write_atomic(folder / SPEC, msgspec.json.format(msgspec.json.encode(changed), indent=1))
        return changed

    # Its own answers are the expected ones: it is opened without tests first.
    empty = to_npy(vectors[:0])
    whole = (folder / TESTED).read_bytes()
    (folder / TESTED).write_bytes(empty)
    untested = tuple(file_record(folder, folder / file.path) if file.path == TESTED else file for file in files)
    written(msgspec.structs.replace(record, files=untested))
    with Finder(folder, "onnxruntime") as finder:
        tests = tuple(finder.measured(name, vector) for name, vector in zip(names, vectors, strict=True))
    (folder / TESTED).write_bytes(whole)
    record = written(msgspec.structs.replace(record, tests=tests, files=files))
    Finder(folder, "onnxruntime").close()
    try:
        Finder(folder, "numpy").close()
    except (InputError, CheckFailedError):  # operators that the base install does not have
        return record
    return written(msgspec.structs.replace(record, engine="numpy"))


def _write_tests(folder: Path, kind: Kind, rate: int) -> list[str]:
    """Write pictures of random patches, or noise and tones of a second, and return their names."""
    rng, names = np.random.default_rng(0), []
    for number in range(_TESTS):
        if kind == "picture":
            name = f"{TESTS}/{number}.png"
            patches = rng.integers(0, 256, (3, 4, 3)).astype(np.uint8)
            Image.fromarray(patches).resize((96, 72), Image.Resampling.NEAREST).save(folder / name)
        else:
            name, times = f"{TESTS}/{number}.wav", np.arange(rate) / rate
            tone = np.sin(2 * np.pi * rng.uniform(100, rate / 4) * times) * (rng.uniform(0, 1) < times)
            noise = rng.standard_normal(rate) * np.linspace(rng.uniform(0, 1), rng.uniform(0, 1), rate)
            samples = 0.4 * tone + 0.1 * noise
            (folder / name).write_bytes(wav_bytes(samples[:, None].astype(np.float32), rate))
        names.append(name)
    return names
