"""Bursts of pictures: near-duplicates of one label, which must stay on one side of a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.windows import parts
from edgewright.data.leakage import thumbnails
from edgewright.schema.data import Floats, Labels

# Key of [data] that makes each burst one session.
KEY = "bursts"
# Near-duplicates are nearer than these shares of the median distance within their label: 51 % of the grocery
# photographs have one, and 1 to 8 % of independent pictures (CIFAR-10, digits). A difference hash of 64 bits found 4 %
# of the photographs before it linked different labels.
_MAX_THUMBNAIL_RATIO, _MAX_COLOURS_RATIO = 0.7, 0.5
# Their colours are also nearer than those of all but this share of pictures to the nearest one of another label.
_OTHER_LABEL_QUANTILE = 0.05
_LEVELS = 4
_MAX_SAMPLED = 2000
_CHUNK = 512


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
        for start in range(0, len(members), _CHUNK):
            rows = members[start : start + _CHUNK]
            near = np.ones((len(rows), len(members)), np.bool_)
            for feature, limit in zip(features, limits, strict=True):
                near &= _squared_distances(feature[rows], feature[members]) <= limit[str(label)]
            for row, is_near in zip(rows.tolist(), near, strict=True):
                linked = np.unique(bursts[[row, *members[is_near].tolist()]])
                if len(linked) > 1:
                    bursts[members] = np.where(np.isin(bursts[members], linked), linked[0], bursts[members])
    return bursts


def burst_sentence(bursts: Labels) -> str:
    """Return how many pictures have a near-duplicate, and in how many bursts; empty if none has one."""
    sizes = np.unique(bursts, return_counts=True)[1]
    sizes = sizes[sizes > 1]
    if not len(sizes):
        return ""
    return (
        f"{int(sizes.sum()):,} of {len(bursts):,} pictures have a near-duplicate, in {len(sizes):,} bursts "
        f"of up to {int(sizes.max()):,} pictures"
    )


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
