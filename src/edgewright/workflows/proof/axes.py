"""The axes of a sensor that is worn mirrored: the same labelled windows through Python and through compiled C."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import AffineFactory, AffineLearner, axes_of, turned
from edgewright.core.adaptation.slots import state_bytes
from edgewright.export.c99_learning.affine import write_affine_c99
from edgewright.schema.data import Floats
from edgewright.workflows.proof.rows import Chosen

# Windows are long: more would not fit into the memory of every emulated board.
_EXAMPLES = 48
# The way z,x,y mirrored: no swap of two axes, which undoes itself.
_WORN = 31
_HEADER = "#include <stdint.h>\nvoid learning_replay(const float *row, uint8_t *out);\n"
_SOURCE = """\
#include "learning_adapt.h"
#include "learning_replay.h"
#include <string.h>

void learning_replay(const float *row, uint8_t *out) {
    static learning_adapt_state state;
    static float window[%(size)d];
    learning_undo(&state);
    learning_adapt_use(&state);
    for (int k = 0; k < %(count)d; ++k, row += %(size)d + 1) {
        uint32_t hash = 2166136261u;
        memcpy(window, row, sizeof window);
        learning_adapt_before(window);
        for (unsigned i = 0; i < sizeof window; ++i) {
            hash = (hash ^ ((const uint8_t *)(const void *)window)[i]) * 16777619u;
        }
        learning_adapt_after(window);
        *out++ = (uint8_t)(memcmp(window, row, sizeof window) == 0);
        *out++ = (uint8_t)learning_learn(&state, (int)row[%(size)d]);
        for (int i = 0; i < 4; ++i) {
            *out++ = (uint8_t)(hash >> (8 * i));
        }
    }
    memcpy(out, &state, LEARNING_ADAPT_BYTES);
}
"""


@dataclass(frozen=True)
class Replay:
    """Labelled examples, and what a device makes of them.

    Attributes:
        files: C with `learning_replay(row, out)`: the answers, then the state.
        examples: as C receives them, one row an example.
        answers: after each example, int8, shape (n, bytes).
        state: after all.
        order: places of the examples among the chosen samples.
        used: examples after which what was learned is used.
        shape: of an example.
    """

    files: Mapping[str, str]
    examples: NDArray[Any]
    answers: NDArray[np.int8]
    state: NDArray[np.uint8]
    order: NDArray[np.int64]
    used: int
    shape: tuple[int, ...]


def spaced(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many places, evenly spaced."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def whole_windows(factory: AffineFactory, chosen: Chosen) -> NDArray[np.int64]:
    """Return places of the windows without missing values on the watched axes."""
    axes = chosen.samples[:, axes_of(factory.spec)]
    return np.flatnonzero(np.isfinite(axes).all(axis=(1, 2))).astype(np.int64)


def axes_replay(factory: AffineFactory, chosen: Chosen) -> Replay:
    """Return windows that are worn turned and mirrored, with the nearest class of the training data as their label."""
    spec = factory.spec
    whole = whole_windows(factory, chosen)
    order = whole[spaced(len(whole), _EXAMPLES)]
    windows = np.ascontiguousarray(chosen.samples[order], np.float32)
    labels = np.array([_nearest(factory, window) for window in windows], np.int64)
    last = slice(3 * len(labels) // 4, None, 3)
    labels[last] = (labels[last] + 1) % spec.classes
    worn = turned(spec, windows, _WORN)
    learner, answers, used = AffineLearner(factory), [], 0
    for window, label in zip(worn, labels, strict=True):
        hashed = np.frombuffer(_hash(learner.turned(window[None]).tobytes()).to_bytes(4, "little"), np.int8)
        learner.learn(window, int(label))
        used += learner.state.used
        answers.append(np.concatenate([[1, learner.state.used], hashed]))
    size = int(np.prod(windows.shape[1:]))
    files = {
        **write_affine_c99(factory, name="learning"), "learning_replay.h": _HEADER,
        "learning_replay.c": _SOURCE % {"count": len(order), "size": size},
    }  # fmt: skip
    examples = np.concatenate([worn.reshape(len(worn), size), labels[:, None]], axis=1).astype(np.float32)
    return Replay(files, examples, np.array(answers, np.int8), np.frombuffer(state_bytes(learner.state), np.uint8),
                  order, used, windows.shape[1:])  # fmt: skip


def _nearest(factory: AffineFactory, window: Floats) -> int:
    """Return the class whose training moments a window as it was recorded is nearest to."""
    found = []
    for label in range(factory.spec.classes):
        learner = AffineLearner(factory)
        learner.learn(window, label)
        found.append(learner.distance)
    return int(np.argmin(found))


def _hash(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash (Fowler, Noll and Vo)."""
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value
