"""Near-duplicates that must stay on one side of a split: bursts of pictures, copies of recordings and of sounds."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.windows import parts
from edgewright.data.leakage import thumbnails
from edgewright.schema.data import DataSet, Floats, Labels, Recording

# Keys of [data] that make each burst of pictures, and each set of near-duplicate recordings, one session.
KEY, LINK_KEY = "bursts", "near_duplicates"
# Near-duplicates are nearer than these shares of the median distance within their label: 51 % of the grocery
# photographs have one, and 1 to 8 % of independent pictures (CIFAR-10, digits). A difference hash of 64 bits found 4 %
# of the photographs before it linked different labels.
_MAX_THUMBNAIL_RATIO, _MAX_COLOURS_RATIO = 0.7, 0.5
# Their colours are also nearer than those of all but this share of pictures to the nearest one of another label.
_OTHER_LABEL_QUANTILE = 0.05
_LEVELS = 4
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
# Above this number of recordings all pairs take minutes.
_MAX_RECORDINGS = 20_000


def find_bursts(pictures: Floats, labels: Labels) -> NDArray[np.int64]:
    """Link near-duplicate pictures of one label to bursts.

    Args:
        pictures: shape (n, channels, height, width), values 0 to 255.
        labels: shape (n,), as text.

    Returns:
        Shape (n,), index of the first picture of the burst of each picture.
    """
    small, colours = features = _features(pictures)
    small_limits = {label: _MAX_THUMBNAIL_RATIO**2 * own for label, own in _typical_distances(small, labels).items()}
    highest = _other_label_limit(colours, labels)
    colour_limits = {
        label: min(highest, _MAX_COLOURS_RATIO**2 * own) for label, own in _typical_distances(colours, labels).items()
    }
    limits = (small_limits, colour_limits)
    bursts = np.arange(len(pictures), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        own = members.copy()
        for start in range(0, len(members), _CHUNK):
            rows = members[start : start + _CHUNK]
            near = np.ones((len(rows), len(members)), np.bool_)
            for feature, limit in zip(features, limits, strict=True):
                near &= _squared_distances(feature[rows], feature[members]) <= limit[str(label)]
            for row, is_near in enumerate(near, start):
                is_near[row] = True
                _link(own, is_near)
        bursts[members] = own
    return bursts


def link_recordings(dataset: DataSet) -> tuple[DataSet, str]:
    """Make recordings that are near-duplicates of each other one session.

    Args:
        dataset: recordings, each of one session; other data sets are returned as they are.

    Returns:
        The data set, and how many recordings have a near-duplicate; empty if none has one.
    """
    recordings = dataset.recordings
    if not 1 < len(recordings) <= _MAX_RECORDINGS or any(recording.sessions is not None for recording in recordings):
        return dataset, ""
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
