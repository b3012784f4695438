"""What judges synthetic data of each kind: real samples, a model that fits within seconds, synthetic data beside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from edgewright.core.toml_tables import convert_table
from edgewright.data.samples import cut
from edgewright.data.synthetic import measured_only
from edgewright.language.intents.background import outside_of
from edgewright.language.intents.material import labelled
from edgewright.language.intents.train import WORDS, How, fit_linear, logits_of, rows_for
from edgewright.language.synthesis.judgement import Chunk, Measured
from edgewright.language.synthesis.methods import Windows, method_of
from edgewright.nlp.utterance.normalise import normalised
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Floats, Labels, Samples
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance
from edgewright.training.augmentations import colour, crop, flip
from edgewright.training.contract import Augmentation

SOUND = 1000.0
"""Samples a second from which a recording is a sound: one that is shorter than a window is followed by silence."""
PICTURES: Mapping[str, Augmentation[Any]] = {
    "colour": colour.AUGMENTATION, "crop": crop.AUGMENTATION, "flip": flip.AUGMENTATION
}  # fmt: skip
"""Ways to change pictures."""
SENTENCE = "sentence"
"""What a group of sentences is where nobody says who said them: repetitions of one."""
_BANDS, _PARTS_OF_SOUND = 12, 6
_CELLS, _DIRECTIONS = 4, 8
_GREY = np.array([0.299, 0.587, 0.114], np.float32)

Makes = Callable[[NDArray[np.int64], int], list[Chunk]]


def windows_of(data: DataSet, window: int, every: int = 1) -> Samples:
    """Measured windows that do not overlap, with their people.

    Args:
        data: recordings with a rate, labels and people.
        window: rows.
        every: takes the first of so many windows.

    Raises:
        InputError: without a rate or people, or as `data.samples.cut`.
    """
    if not data.rate or any(recording.groups is None for recording in data.recordings):
        raise InputError("recordings with a rate and people", "none", data.name,
                         "Give --time, --target and --group; only --force writes what nothing judged")  # fmt: skip
    samples, _ = measured_only(_cut(data, window))
    kept = np.arange(0, len(samples.y), every)
    groups = None if samples.groups is None else samples.groups[kept]
    return Samples(X=samples.X[kept], y=samples.y[kept], groups=groups, sessions=samples.sessions[kept],
                   starts=samples.starts[kept], columns=samples.columns, rate=data.rate)  # fmt: skip


def _cut(data: DataSet, window: int) -> Samples:
    return cut(data, WindowConfig(samples=window, step=window, pad=(data.rate or 0.0) >= SOUND))


def measured_windows(samples: Samples, by: str = "person") -> Measured:
    """Return windows as what judges; those without a label are left out.

    Raises:
        InputError: without people or windows.
    """
    if samples.groups is None or samples.X.ndim != 3 or samples.rate is None:
        raise InputError("windows with the person of each", "none", "synth", "Give --group and --window")
    if samples.y.dtype.kind not in "US":
        raise InputError("labels, which windows are right or wrong about", "amounts", "the target",
                         "Only --force writes what nothing judged")  # fmt: skip
    kept = samples.y != ""
    return Measured(samples.X[kept], np.asarray(samples.y[kept], np.str_), samples.groups[kept], by)


def signal_copies(real: Measured, name: str, options: Mapping[str, object], rate: float, columns: Sequence[str],
                  seed: int) -> Makes:  # fmt: skip
    """Return what makes copies of the training windows of a fold by a method of signals.

    Raises:
        UnknownNameError: as `method_of`.
        InputError: as `method_of`.
    """
    method, config = method_of(name, options)
    rng = np.random.default_rng([seed, 1])

    def make(rows: NDArray[np.int64], amount: int) -> list[Chunk]:
        windows = Windows(x=real.content[rows], y=real.y[rows], rate=rate, columns=tuple(columns))
        return [(method.apply(config, windows, rng), windows.y) for _ in range(amount)]

    return make


def changed_pictures(name: str, options: Mapping[str, object]) -> Callable[[Floats, np.random.Generator], Floats]:
    """Return a way to change pictures of shape (n, channels, height, width), with its options.

    Raises:
        UnknownNameError: for a method or an option that is none.
        InputError: for a value of an option out of its range.
    """
    if name not in PICTURES:
        raise UnknownNameError("method", name, PICTURES, "synth")
    augmentation = PICTURES[name]
    config = convert_table(options, augmentation.config, f"synth {name}")
    return lambda pictures, rng: augmentation.apply(config, pictures, rng)


def picture_copies(real: Measured, name: str, options: Mapping[str, object], seed: int) -> Makes:
    """Return what makes changed copies of the training pictures of a fold; errors as `changed_pictures`."""
    change = changed_pictures(name, options)
    rng = np.random.default_rng([seed, 1])
    return lambda rows, amount: [(change(real.content[rows], rng), real.y[rows]) for _ in range(amount)]


def spoken_chunks(data: DataSet, window: int, amount: int) -> list[Chunk]:
    """Return windows of synthetic recordings, one chunk a copy of each word in each voice."""
    samples = _cut(data, window)
    numbers = np.array([int(session.split("/")[2]) for session in samples.sessions.tolist()])
    labels = np.asarray(samples.y, np.str_)
    return [(samples.X[numbers == number], labels[numbers == number]) for number in range(1, amount + 1)]


def sentence_chunk(entries: Sequence[Utterance], intents: Collection[str]) -> Chunk:
    """Return sentences of a grammar, those of known intents.

    Raises:
        InputError: none of its intents is known.
    """
    kept = [entry for entry in entries if entry.intent in intents]
    if not kept:
        raise InputError("a grammar of the intents of --real", "none of them", "synth utterances")
    return np.array([entry.text for entry in kept], dtype=object), np.array([entry.intent for entry in kept], np.str_)


def sentence_copies(real: Measured, chunk: Chunk) -> Makes:
    """Return what gives a fold the sentences of a grammar, without those that somebody says who does not train.

    A grammar that was written from the real sentences would teach what is tested.
    """
    generated = np.array([normalised(text) for text in chunk[0]], np.str_)
    real_texts = np.array([normalised(text) for text in real.content], np.str_)

    def make(rows: NDArray[np.int64], amount: int) -> list[Chunk]:
        new = ~np.isin(generated, np.delete(real_texts, rows))
        return [(chunk[0][new], chunk[1][new])] * amount

    return make


def measured_sentences(utterances: Sequence[Utterance]) -> Measured:
    """Return real sentences in scope with their authors, or without authors each sentence by itself.

    Raises:
        InputError: some sentences name an author and others do not.
    """
    real = [entry for entry in utterances if not entry.synthetic and entry.intent != OUT_OF_SCOPE]
    authors = {bool(entry.author) for entry in real}
    if len(authors) > 1:
        raise InputError("an author of every sentence, or of none", "an empty cell", "column author")
    known = authors == {True}
    groups = [entry.author if known else normalised(entry.text) for entry in real]
    texts = np.array([entry.text for entry in real], dtype=object)
    intents = np.array([entry.intent for entry in real], np.str_)
    return Measured(texts, intents, np.array(groups, np.str_), "author" if known else SENTENCE)


def answer_windows(rate: float) -> Callable[[Floats, Labels, Floats, int], Labels]:
    """Return a random forest on statistics and spectra of windows."""
    return lambda x, y, tested, seed: _forest(features(x, rate), y, features(tested, rate), seed)


def answer_pictures(x: Floats, y: Labels, tested: Floats, seed: int) -> Labels:
    """Answer by a random forest on colours and edges of a grid."""
    return _forest(picture_features(x), y, picture_features(tested), seed)


def answer_sentences(x: NDArray[Any], y: Labels, tested: NDArray[Any], seed: int) -> Labels:
    """Answer by the linear model that `language train` writes for few sentences; it draws nothing by the seed."""
    how = How(seed=seed)
    intents, targets = np.unique(y, return_inverse=True)
    texts = [str(text) for text in x]
    rows = rows_for(how.size, len(intents))
    if not rows:
        raise InputError(f"intents that fit {how.size:,} bytes", str(len(intents)), "synth utterances")
    material = labelled(texts, targets, len(intents), outside_of(texts), spread=0)
    spec, arrays = fit_linear(material, len(intents), rows, how.read, WORDS)
    return np.asarray(intents[logits_of(spec, arrays, [str(text) for text in tested]).argmax(axis=1)], np.str_)


def features(x: Floats, rate: float) -> NDArray[np.float64]:
    """Return mean, spread, extremes and change of each channel, and the logarithm of its power in bands of frequency.

    Missing values take the mean of their channel in the window. Sounds, from 1 kHz on, are cut into six parts and their
    bands, even in octaves, are taken of each.
    """
    clean = np.asarray(x, np.float64)
    missing = np.isnan(clean)
    if missing.any():
        count = np.maximum((~missing).sum(axis=2, keepdims=True), 1)
        clean = np.where(missing, np.nansum(clean, axis=2, keepdims=True) / count, clean)
    sound = rate >= SOUND
    parts = np.array_split(clean, _PARTS_OF_SOUND, axis=2) if sound else [clean]
    figures = [_powers(part) for part in parts]
    if not sound:
        middle = clean.mean(axis=2)
        figures += [middle, clean.std(axis=2), clean.min(axis=2), clean.max(axis=2)]
        figures += [np.abs(np.diff(clean, axis=2)).mean(axis=2)]
    return np.concatenate(figures, axis=1)


def picture_features(x: Floats) -> NDArray[np.float64]:
    """Return mean and spread of each colour, and edges by direction, in a grid of four by four cells.

    Args:
        x: pictures, shape (n, 1 or 3, height, width), values from 0 to 255.

    Returns:
        Shape (n, figures).
    """
    scaled = np.asarray(x, np.float32) / 255
    grey = np.tensordot(scaled, _GREY, axes=(1, 0)) if scaled.shape[1] == len(_GREY) else scaled[:, 0]
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    direction = (np.mod(np.arctan2(down, right), np.pi) / np.pi * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    figures = []
    for rows in np.array_split(np.arange(scaled.shape[2]), _CELLS):
        for columns in np.array_split(np.arange(scaled.shape[3]), _CELLS):
            cell = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            colours = scaled[:, :, cell[1], cell[2]]
            figures += [colours.mean(axis=(2, 3)), colours.std(axis=(2, 3))]
            edges = [(strength[cell] * (direction[cell] == d)).mean(axis=(1, 2)) for d in range(_DIRECTIONS)]
            figures.append(np.stack(edges, axis=1))
    return np.concatenate(figures, axis=1).astype(np.float64)


def _powers(part: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(part - part.mean(axis=2, keepdims=True), axis=2)[:, :, 1:]) ** 2
    edges = np.unique(np.geomspace(1, power.shape[2], _BANDS + 1).astype(int)) - 1
    bands = np.add.reduceat(power, edges[:-1], axis=2) if len(edges) > 1 else power
    return np.log(bands + 1e-9).reshape(len(part), -1)


def _forest(x: NDArray[np.float64], y: Labels, tested: NDArray[np.float64], seed: int) -> Labels:
    model = RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=1, min_samples_leaf=2)
    return np.asarray(model.fit(x, y).predict(tested), np.str_)
