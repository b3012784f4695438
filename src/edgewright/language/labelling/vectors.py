"""Items as vectors: what neighbours, the next choice and likely errors are computed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from edgewright.cluster.mapping import each
from edgewright.core.archive import read_file
from edgewright.core.errors import EncoderMissingError, LabelProjectError
from edgewright.core.records.data import Floats
from edgewright.data.remote import address_of, reached
from edgewright.graph.stage import Context
from edgewright.language.embedding import load
from edgewright.language.embedding.directory import unit
from edgewright.language.labelling.project import Item, Project
from edgewright.nlp.utterance.student import Encodes
from edgewright.pipeline.cost import Ahead, tell_ahead
from edgewright.pipeline.fitting import transformed
from edgewright.pipeline.plan import build, parts

_COMPONENTS = 128
_STAGES: tuple[dict[str, object], ...] = ({"kind": "statistics"}, {"kind": "spectral"})
# Rows of a window from which on every one of the stage's eight bands holds a frequency.
_SPECTRAL = 16
_GRID = 4
# Texts of one task: an encoder pads each to the longest of its batch, so batches are the same on any machine.
_TEXTS, _FILES = 1024, 16
# CPU seconds of a two-core x86 machine that `words` takes for a character: 3,000 and 6,000 sentences of CLINC150.
_CHARACTER_S = 2.8e-5


def vectors_of(project: Project, encoder: Encodes | None = None, ahead: Ahead = lambda _: None) -> Floats:
    """Return unit vectors of all items, shape (n, d), in the order of `items()`; kept in the project.

    Args:
        project: whose kind says how: texts by the encoder or, without one, by weighted words and parts of words;
            windows by the shipped stages `statistics` and `spectral`, standardised; rows standardised; pictures by the
            mean colours of a grid, or an encoder of pictures; sounds by an encoder of sounds.
        encoder: of texts, pictures or sounds.
        ahead: gets the estimate of long work before it begins.

    Raises:
        InputError: pictures that cannot be read.
    """
    # A registered model of the same name may be another one by now.
    sha256 = getattr(encoder, "sha256", "")
    way = f"{project.kind}/{encoder.name if encoder else 'own'}{f'/{sha256}' if sha256 else ''}"
    items = project.items()
    if project.meta("vectors") == way:
        kept = [np.frombuffer(row[0], np.float32) for row in project.execute("SELECT data FROM vectors ORDER BY item")]
        if len(kept) == len(items):
            return np.stack(kept)
    vectors = _computed(project, items, encoder, ahead)
    with project.changing():
        project.execute("DELETE FROM vectors")
        for item, row in zip(items, vectors, strict=True):
            project.execute("INSERT INTO vectors VALUES (?, ?)", (item.id, row.astype(np.float32).tobytes()))
        project.set_meta("vectors", way)
    return vectors


ROLES: dict[str, Literal["text", "picture", "sound"]] = {"text": "text", "pictures": "picture", "sounds": "sound"}
"""Roles of the encoders that kinds of projects take."""


def trainable(project: Project) -> Literal["text", "picture", "sound"]:
    """Return the role of a project that `label suggest --then train` takes.

    Raises:
        InputError: a project of recordings.
    """
    if project.kind not in ROLES:
        raise LabelProjectError("a project of texts, pictures or sounds", f"one of {project.kind}", str(project.path),
                         "Export its labels and train on them: edgewright label export, then run")  # fmt: skip
    return ROLES[project.kind]


def encoder_for(project: Project, directory: Path | None) -> Encodes | None:
    """Return the encoder of a directory, for what the project holds; None without one.

    Raises:
        InputError: no such encoder.
    """
    if directory is None:
        return None
    if project.kind not in ("pictures", "sounds"):
        return load(directory)
    from edgewright.language.documents.index import MediaEncoder  # noqa: PLC0415 - of an extra

    encoder = MediaEncoder(directory)
    if encoder.kind != ROLES[project.kind]:
        raise EncoderMissingError(f"an encoder of {project.kind}", f"one of {encoder.kind}s", str(directory))
    return encoder


def _computed(project: Project, items: Sequence[Item], encoder: Encodes | None, ahead: Ahead) -> Floats:
    if project.kind == "text":
        texts = [item.content for item in items]
        if encoder is not None:
            return encoded(texts, None, encoder)
        tell_ahead(ahead, f"Comparing the words of {len(texts):,} texts", sum(map(len, texts)) * _CHARACTER_S)
        return words(texts)
    if project.kind == "sounds" and encoder is None:
        raise EncoderMissingError("an encoder of sounds", "none", "--encoder", "Pass its directory, or register it: "
                         "edgewright models add DIR")  # fmt: skip
    if project.kind in ("pictures", "sounds"):
        return encoded([item.content for item in items], project.source, encoder)
    if encoder is not None:
        raise EncoderMissingError("texts or pictures for an encoder", project.kind, "--encoder")
    columns, units = project.meta("columns"), project.meta("units")
    values = np.stack([np.frombuffer(project.data(item.id), np.float32) for item in items])
    if project.kind == "rows":
        return standardised(values)
    windows = values.reshape(len(items), len(columns), -1)
    return features(windows, tuple(columns), tuple(units), float(project.meta("rate") or 0.0))


def encoded(things: Sequence[str], root: Path | None, encoder: Encodes | None) -> Floats:
    """Return unit vectors of texts by an encoder, or of files below a folder; without one by colours of pictures.

    On a cluster each worker reads the files and the encoder itself.
    """
    if root is None and encoder is not None:
        pieces = (list(things[at : at + _TEXTS]) for at in range(0, len(things), _TEXTS))
        return np.concatenate([np.zeros((0, encoder.dimensions), np.float32), *each(_of_texts, encoder, pieces)])
    files = (address_of((root or Path()) / name) for name in things)
    return unit(np.stack(list(each(_of_file, encoder, files, chunk=_FILES))))


def _of_texts(encoder: Encodes, texts: list[str]) -> Floats:
    return encoder.encode(texts)


def _of_file(encoder: Encodes | None, file: tuple[str, str]) -> Floats:
    of_file: Callable[[Path], Floats] = getattr(encoder, "encode_file", _colours)
    return of_file(reached(*file))


def words(texts: Sequence[str]) -> Floats:
    """Weighted words and parts of words, reduced by latent semantic analysis (Deerwester et al., 1990)."""
    counted = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=1).fit_transform(texts)
    size = min(_COMPONENTS, counted.shape[1] - 1, len(texts) - 1)
    if size < 2:
        return unit(counted.toarray())
    return unit(TruncatedSVD(size, random_state=0).fit_transform(counted))


def features(windows: Floats, columns: tuple[str, ...], units: tuple[str, ...], rate: float) -> Floats:
    """Return windows through the shipped stages, shape (n, d).

    Args:
        windows: shape (n, channels, samples), NaN where missing.
        columns: names of the channels.
        units: of the channels.
        rate: samples a second; 0 where it is unknown, then 1 is taken.
    """
    missing = np.isnan(windows)
    if missing.any():
        middle = np.nanmean(np.where(missing.all(axis=2, keepdims=True), 0.0, windows), axis=2, keepdims=True)
        windows = np.where(missing, middle, windows)
    context = Context(
        shape=windows.shape[1:], names=columns, units=units, rate=rate or 1.0, task="classification", seed=0
    )
    # Windows too short for bands of frequency are told apart by their statistics alone.
    stages = _STAGES if windows.shape[2] >= _SPECTRAL else _STAGES[:1]
    parts_of_windows = [
        transformed(build(part, context).fit(windows), windows).reshape(len(windows), -1)
        for part in parts(stages, "label")
    ]
    return standardised(np.concatenate(parts_of_windows, axis=1))


def standardised(values: NDArray[np.floating]) -> Floats:
    """Return columns with mean 0 and spread 1, missing ones 0, extremes cut, then rows of length 1."""
    wide = np.asarray(values, np.float64)
    middle, spread = np.nanmean(wide, axis=0), np.nanstd(wide, axis=0)
    scaled = (wide - middle) / np.where(spread > 0, spread, 1.0)
    return unit(np.nan_to_num(np.clip(scaled, -8.0, 8.0)))


def _colours(path: Path) -> Floats:
    """Return mean colours of a grid of four by four: says little, but needs no model."""
    from edgewright.core.input.pictures import pixels  # noqa: PLC0415 - of an extra, for pictures alone

    content = read_file(path, "a picture that can be read", absent="Put it back, or omit it")
    small = pixels(content, str(path), (_GRID, _GRID), colour=True, fit="stretch")
    return unit(small.transpose(1, 2, 0).reshape(-1).astype(np.float32) / 255.0 - 0.5)
