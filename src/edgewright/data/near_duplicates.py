"""Near-duplicates that must stay on one side of a split.

Bursts and copies of pictures, copies of recordings and of sounds, and rows of a table that are overlapping windows.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DataError
from edgewright.core.input.recordings import parts
from edgewright.core.prediction.objects import GOOD
from edgewright.core.records.config import SplitConfig
from edgewright.core.records.data import DataSet, Floats, Labels, Recording, Samples, Split
from edgewright.data.series import find_series
from edgewright.data.splits import digests, mix_words, split, thumbnails
from edgewright.data.targets import as_text

# Keys of [data] that make each burst of pictures, and each set of near-duplicate recordings, one session.
KEY, LINK_KEY = "bursts", "near_duplicates"
# Near-duplicates are nearer than these shares of the median distance within their label: 51 % of the grocery
# photographs have one, and 1 to 8 % of independent pictures (CIFAR-10, digits). A difference hash of 64 bits found 4 %
# of the photographs before it linked different labels.
_MAX_THUMBNAIL_RATIO, _MAX_COLOURS_RATIO = 0.7, 0.5
# Their colours are also nearer than those of all but this share of pictures to the nearest one of another label.
_OTHER_LABEL_QUANTILE = 0.05
_LEVELS = 4
# Copies in another light, contrast or orientation correlate by this and more: thumbnails without the mean of each
# channel, the highest of four rotations. Of grocery photographs, 99.3 % of copies with a quarter of the pixels and JPEG
# quality 40, and all with other brightness, contrast, gamma or rotation. Of independent photographs 0.2 %, digits 2 %.
_MIN_COPY = 0.98
_MAX_SAMPLED = 2000
_CHUNK = 512
# Recordings are compared as this number of points per column. Of two beats of one heart (ECG200), 0.988 is the highest
# correlation; a copy with noise of 5 % of its standard deviation has 0.999.
_POINTS, _MIN_CORRELATION = 64, 0.995
# Sounds of the nearest spectra are compared by the peak of the cross-correlation of their samples, which does not
# depend on gain and shift: at most 0.930 for two utterances of one digit by one speaker (2,700 of FSDD), 0.995 for a
# copy with noise of 10 % of its standard deviation, whose spectra correlate by 0.983 and more.
_SOUND_HZ = 4000.0
_BANDS, _NEAREST, _MIN_SPECTRA, _MIN_PEAK, _MAX_SOUND = 256, 5, 0.97, 0.95, 1 << 17
# Comparing all pairs of more recordings takes minutes.
_MAX_RECORDINGS = 50_000
# Two rows are overlapping windows if the end of one equals the start of the other in at least this number of distinct
# values and this share of the row.
_MIN_OVERLAP, _MIN_OVERLAP_SHARE = 8, 0.1
_MAX_OVERLAP_VALUES = 50_000_000
# A chain of overlapping windows with a larger share of the rows is cut into blocks of this share.
_MAX_CHAIN_SHARE, _BLOCK_SHARE = 0.2, 0.05


def find_bursts(pictures: Floats, labels: Labels) -> NDArray[np.int64]:
    """Link near-duplicate pictures of one label to bursts.

    Args:
        pictures: shape (n, channels, height, width), values 0 to 255.
        labels: shape (n,), as text.

    Returns:
        Shape (n,), index of the first picture of the burst of each picture.
    """
    small, colours = features = _features(pictures)
    channels = pictures.shape[1]
    small_limits = {label: _MAX_THUMBNAIL_RATIO**2 * own for label, own in _typical_distances(small, labels).items()}
    highest = _other_label_limit(colours, labels)
    colour_limits = {
        label: min(highest, _MAX_COLOURS_RATIO**2 * own) for label, own in _typical_distances(colours, labels).items()
    }
    limits = (small_limits, colour_limits)
    rotations = [_picture_prints(small, channels)]
    for turns in (1, 2, 3):
        turned = [thumbnails(np.rot90(pictures[part], turns, axes=(2, 3))) for part in parts(pictures.shape)]
        rotations.append(_picture_prints(np.concatenate(turned), channels))
    bursts = np.arange(len(pictures), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        own = members.copy()
        for start in range(0, len(members), _CHUNK):
            rows = members[start : start + _CHUNK]
            near = np.ones((len(rows), len(members)), np.bool_)
            for feature, limit in zip(features, limits, strict=True):
                near &= _squared_distances(feature[rows], feature[members]) <= limit[str(label)]
            for prints in rotations:
                near |= prints[rows] @ rotations[0][members].T >= _MIN_COPY
            for row, is_near in enumerate(near, start):
                is_near[row] = True
                _link(own, is_near)
        bursts[members] = own
    return bursts


def link_recordings(dataset: DataSet) -> tuple[DataSet, str]:
    """Make recordings that are near-duplicates of each other one session, and rows that are overlapping windows.

    Args:
        dataset: recordings, each of one session; other data sets are returned as they are.

    Returns:
        The data set, and how many recordings or rows have a near-duplicate, or that there are too many to search; empty
        if none has one.
    """
    recordings = dataset.recordings
    if any(recording.sessions is not None for recording in recordings):
        return dataset, ""
    if len(recordings) == 1:
        return _link_rows(dataset)
    if len(recordings) > _MAX_RECORDINGS:
        sentence = (
            f"{len(recordings):,} recordings were not searched for near-duplicates: more than {_MAX_RECORDINGS:,}"
        )
        return dataset, sentence
    is_sound = dataset.rate is not None and dataset.rate >= _SOUND_HZ and recordings[0].values.shape[1] == 1
    prints = np.stack([(_sound_print if is_sound else _series_print)(recording.values) for recording in recordings])
    first = np.arange(len(recordings), dtype=np.int64)
    for start in range(0, len(prints), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(prints)))
        correlations = prints[rows] @ prints.T
        correlations[rows - start, rows] = -1.0
        if is_sound:
            count = min(_NEAREST, len(prints) - 1)
            nearest = np.argpartition(-correlations, count - 1, axis=1)[:, :count]
            is_close = np.take_along_axis(correlations, nearest, axis=1) >= _MIN_SPECTRA
            for index, rank in np.argwhere(is_close):
                pair = [int(index) + start, int(nearest[index, rank])]
                is_linked = first[pair[0]] == first[pair[1]]
                if not is_linked and _correlation_peak(*(recordings[row] for row in pair)) >= _MIN_PEAK:
                    _link(first, pair)
        else:
            near = correlations >= _MIN_CORRELATION
            near[rows - start, rows] = True
            for is_near in near:
                _link(first, is_near)
    sizes = _linked_sizes(first)
    if not len(sizes):
        return dataset, ""
    names = np.array([recording.name for recording in recordings])[first]
    linked = tuple(
        msgspec.structs.replace(recording, sessions=np.full(len(recording.values), name))
        for recording, name in zip(recordings, names, strict=True)
    )
    sentence = f"{int(sizes.sum()):,} of {len(first):,} recordings have a near-duplicate"
    return msgspec.structs.replace(dataset, recordings=linked), sentence


def _link_rows(dataset: DataSet) -> tuple[DataSet, str]:
    """Make rows of a table that are overlapping windows of one recording a session."""
    (recording,) = dataset.recordings
    values = recording.values
    if dataset.rate is not None or values.ndim != 2 or values.size > _MAX_OVERLAP_VALUES or not len(values):
        return dataset, ""
    names = [column.name for column in dataset.columns]
    series = find_series(names, values)
    if series is None:
        return dataset, ""
    channel = next(iter(series.channels.values()))
    sets, positions = find_overlaps(np.asarray(values[:, [names.index(name) for name in channel]], np.float32))
    sizes = _linked_sizes(sets)
    if not len(sizes):
        return dataset, ""
    sentence = f"{int(sizes.sum()):,} of {len(values):,} rows are windows that overlap another row"
    block = max(2, int(_BLOCK_SHARE * len(values)))
    sessions = sets.astype(np.int64) * (len(values) // block + 2)
    for number, size in zip(*np.unique(sets, return_counts=True), strict=True):
        if size > max(2 * block, _MAX_CHAIN_SHARE * len(values)):
            members = np.flatnonzero(sets == number)
            sessions[members[np.argsort(positions[members], kind="stable")]] += np.arange(size) // block
            sentence += f"; {size:,} in one chain, cut into blocks of {block:,}"
    return msgspec.structs.replace(
        dataset, recordings=(msgspec.structs.replace(recording, sessions=sessions.astype(str)),)
    ), sentence


def find_overlaps(rows: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find rows that are overlapping windows: the end of one row equals the start of another, value for value.

    Args:
        rows: shape (n, length), float32.

    Returns:
        Shape (n,), the index of the first row of the chain of each row; and the start of each row, in values from the
        start of another row of its chain.
    """
    count, length = rows.shape
    words = np.ascontiguousarray(rows).view(np.uint32)
    shortest = max(_MIN_OVERLAP, int(_MIN_OVERLAP_SHARE * length))
    edges: list[tuple[int, int, int]] = []
    if length > shortest:
        starts = mix_words(words[:, :_MIN_OVERLAP])
        # The last of equal starts is not needed: equal rows are is_linked as copies.
        known, index = np.unique(starts, return_index=True)
        active = np.arange(count)
        for shift in range(1, length - shortest + 1):
            wanted = mix_words(words[active, shift : shift + _MIN_OVERLAP])
            nearest = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            is_linked = np.zeros(len(active), np.bool_)
            for match in np.flatnonzero(known[nearest] == wanted):
                row, after = int(active[match]), int(index[nearest[match]])
                overlap = words[row, shift:]
                if row != after and np.array_equal(overlap, words[after, : length - shift]):
                    is_linked[match] = len(np.unique(overlap)) >= _MIN_OVERLAP
                if is_linked[match]:
                    edges.append((row, after, shift))
            active = active[~is_linked]
    neighbours: dict[int, list[tuple[int, int]]] = {}
    for head, tail, shift in edges:
        neighbours.setdefault(head, []).append((tail, shift))
        neighbours.setdefault(tail, []).append((head, -shift))
    sets, positions, seen = np.arange(count), np.zeros(count, np.int64), set[int]()
    for first in sorted(neighbours):
        waiting = [first] if first not in seen else []
        seen.add(first)
        while waiting:
            row = waiting.pop()
            for other, shift in neighbours[row]:
                if other not in seen:
                    seen.add(other)
                    sets[other], positions[other] = first, positions[row] + shift
                    waiting.append(other)
    return sets, positions


def burst_share(bursts: Labels) -> float:
    """Return the share of pictures with a near-duplicate."""
    return float(_linked_sizes(bursts).sum() / max(len(bursts), 1))


def burst_sentence(bursts: Labels) -> str:
    """Return how many pictures have a near-duplicate, and in how many bursts; empty if none has one."""
    sizes = _linked_sizes(bursts)
    if not len(sizes):
        return ""
    return (
        f"{int(sizes.sum()):,} of {len(bursts):,} pictures have a near-duplicate, in {len(sizes):,} bursts "
        f"of up to {int(sizes.max()):,} pictures"
    )


def _link(sets: NDArray[np.int64], rows: NDArray[np.bool_] | list[int]) -> None:
    """Make the sets of these rows one set, in place; its number is the lowest of theirs."""
    linked = np.unique(sets[rows])
    if len(linked) > 1:
        sets[np.isin(sets, linked)] = linked[0]


def _linked_sizes(sets: Labels | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sizes of the sets of two and more."""
    sizes = np.unique(sets, return_counts=True)[1]
    return sizes[sizes > 1]


def _features(pictures: Floats) -> tuple[Floats, Floats]:
    """Return a thumbnail of each picture and the square roots of its histogram of colours, shapes (n, ...)."""
    colours = _LEVELS ** pictures.shape[1]
    small, histograms = [], []
    for part in parts(pictures.shape):
        small.append(thumbnails(pictures[part]))
        levels = np.clip(pictures[part] * (_LEVELS / 256), 0, _LEVELS - 1).astype(np.int64)
        codes = np.tensordot(_LEVELS ** np.arange(pictures.shape[1]), levels, axes=(0, 1)).reshape(len(levels), -1)
        histograms.append([np.bincount(code, minlength=colours) / len(code) for code in codes])
    return np.concatenate(small), np.sqrt(np.concatenate(histograms)).astype(np.float32)


def _other_label_limit(feature: Floats, labels: Labels) -> float:
    """Return a squared distance that few pictures have to the nearest one of another label."""
    sampled_rows = np.sort(np.random.default_rng(0).permutation(len(feature))[:_MAX_SAMPLED])
    same = labels[sampled_rows][:, None] == labels[sampled_rows][None]
    others = np.where(same, np.inf, _squared_distances(feature[sampled_rows], feature[sampled_rows])).min(axis=1)
    others = others[np.isfinite(others)]
    return float(np.quantile(others, _OTHER_LABEL_QUANTILE)) if len(others) else np.inf


def _typical_distances(feature: Floats, labels: Labels) -> dict[str, float]:
    """Return the median squared distance of pictures, by label."""
    generator = np.random.default_rng(0)
    typical = {}
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))[:_MAX_SAMPLED]
        distances = _squared_distances(feature[members], feature[members])
        pairs = distances[np.triu_indices(len(members), 1)]
        typical[str(label)] = float(np.median(pairs)) if len(pairs) else 0.0
    # A label of a single burst has no distance between bursts: that of the other labels counts.
    usual = float(np.median(list(typical.values())))
    return {label: max(own, usual) for label, own in typical.items()}


def _squared_distances(some: Floats, others: Floats) -> Floats:
    products = (some**2).sum(axis=1)[:, None] - 2 * some @ others.T + (others**2).sum(axis=1)[None]
    return np.asarray(np.maximum(products, 0))


def _picture_prints(small: Floats, channels: int) -> Floats:
    """Return thumbnails without the mean of each channel, with a norm of 1 (0 if of one colour)."""
    planes = small.reshape(len(small), channels, -1)
    flat = (planes - planes.mean(axis=2, keepdims=True)).reshape(len(small), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.where(norm > 1, flat / np.maximum(norm, 1), 0), np.float32)


def _series_print(values: Floats) -> Floats:
    """Return a recording at `_POINTS` times, each column without its mean, with a norm of 1."""
    times = np.linspace(0, len(values) - 1, _POINTS)
    # Only the rows next to these times are read: a recording may be larger than memory.
    before, after = (
        np.nan_to_num(np.asarray(values[at.astype(np.int64)], np.float64)) for at in (times, np.ceil(times))
    )
    points = before + (times % 1)[:, None] * (after - before)
    return _unit((points - points.mean(axis=0)).T)


def _sound_print(values: Floats) -> Floats:
    """Return the magnitude spectrum in `_BANDS` bands, which does not depend on a shift, with a norm of 1."""
    sound = np.nan_to_num(np.asarray(values[:_MAX_SOUND, 0], np.float64))
    sound = np.pad(sound - sound.mean() if len(sound) else sound, (0, max(0, 2 * _BANDS - len(sound))))
    power = np.abs(np.fft.rfft(sound)) ** 2
    return _unit(np.sqrt(np.add.reduceat(power, np.arange(_BANDS) * len(power) // _BANDS)))


def _unit(array: NDArray[np.float64]) -> Floats:
    flat = array.reshape(-1)
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-12), np.float32)


def _correlation_peak(first: Recording, second: Recording) -> float:
    """Return the peak of the normalised cross-correlation of two sounds over all shifts."""
    sounds = [np.nan_to_num(recording.values[:_MAX_SOUND, 0]).astype(np.float64) for recording in (first, second)]
    one, two = (sound - sound.mean() if len(sound) else np.zeros(1) for sound in sounds)
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    size = 1 << (len(one) + len(two) - 1).bit_length()
    peak = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(two, size))).max() if norm else 0.0
    return float(peak / norm) if norm else 0.0


FEWEST = 10
_SHOWN = 5


def is_odd(y: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - text or numbers
    """Return which labels are not 'good', shape (n,)."""
    return np.asarray(as_text(y) != GOOD)


def split_goods(samples: Samples, config: SplitConfig, seed: int) -> Split:
    """Split the good pictures, and let all odd ones evaluate.

    Raises:
        InputError: fewer than 10 good pictures, good pictures that are all the same, or samples that are no pictures.
    """
    good = np.flatnonzero(~is_odd(samples.y))
    if samples.X.ndim != 4:
        raise DataError("pictures", f"samples of shape {samples.X.shape[1:]}", "task = 'anomaly'",
                         "Use: [data] kind = 'pictures'")  # fmt: skip
    if len(good) < FEWEST:
        labels = ", ".join(sorted({str(label) for label in samples.y})[:_SHOWN])
        raise DataError(f"at least {FEWEST} pictures with the label 'good'", f"{len(good)} (labels: {labels})",
                         "the target", "Put good pictures in a folder 'good', odd ones in others")  # fmt: skip
    if len(np.unique(digests(np.asarray(samples.X[good])))) == 1:
        raise DataError("good pictures that differ", f"{len(good)} equal pictures", "the label 'good'")
    part = msgspec.structs.replace(
        samples, X=samples.X[good], y=samples.y[good], sessions=samples.sessions[good], starts=samples.starts[good],
        groups=None if samples.groups is None else samples.groups[good],
    )  # fmt: skip
    sides = split(part, config, seed=seed, window=None)
    if not len(sides.validation):
        raise DataError("validation pictures, which choose the threshold", "none", "[split]", "Set split.validation")
    test = np.sort(np.concatenate([good[sides.test], np.flatnonzero(is_odd(samples.y))]))
    return Split(train=good[sides.train], validation=good[sides.validation], test=test, by=sides.by)
