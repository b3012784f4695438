"""Sensors that are worn turned or mirrored: what a device learns of its axes, in Python, in C and on a Cortex-M4."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adaptation_example import Half
from axes_example import AXES, SAMPLES, factory, windows
from c99_examples import need
from edgewright.core.adaptation.affine import (
    MOST_COUNTED,
    WAYS,
    AffineFactory,
    AffineLearner,
    Slots,
    affine_files,
    read_affine,
    state_bytes,
    turned,
    way_matrix,
)
from edgewright.core.errors import AdaptationError, LabelUnknownError
from edgewright.export.c99_learning.adapt import write_affine_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device

_MAIN = """
#include "m_adapt.h"
#include <stdio.h>
#include <string.h>
int main(void) {
    static m_adapt_state state;
    static float row[%(each)d], old[%(each)d];
    m_undo(&state);
    m_adapt_use(&state);
    while (fread(row, 1, sizeof row, stdin) == sizeof row) {
        memcpy(old, row, sizeof row);
        m_adapt_before(row);
        fwrite(row, sizeof *row, %(each)d - 1, stdout);
        m_adapt_after(row);
        if (memcmp(old, row, sizeof row) != 0) return 3;
        if (m_learn(&state, (int)row[%(each)d - 1]) < 0) return 4;
    }
    volatile float none = 0.0f;
    row[3] = none / none;
    if (m_learn(&state, M_ADAPT_CLASSES) != -1 || m_adapt_learn(&state, row, 0) != -1) return 5;
    fwrite(&state, 1, M_ADAPT_BYTES, stdout);
    return 0;
}
"""


@pytest.fixture(scope="module")
def affine() -> AffineFactory:
    return factory()


def taught(affine: AffineFactory, X: np.ndarray, labels: np.ndarray) -> AffineLearner:
    learner = AffineLearner(affine)
    for window, label in zip(X, labels, strict=True):
        learner.learn(window, int(label))
    return learner


@pytest.mark.parametrize("way", range(1, WAYS))
def test_every_way_to_wear_a_sensor_is_found_and_taken_back(affine: AffineFactory, way: int) -> None:
    X, labels = windows(people=(9,))
    worn = turned(affine.spec, X, way)
    learner = taught(affine, worn[::6], labels[::6])
    assert learner.state.used == 1
    assert np.array_equal(learner.turned(worn), X)


def test_a_mirrored_gyroscope_changes_its_sign_once_more(affine: AffineFactory) -> None:
    # All axes of a mirrored body point the other way; what turns about them does not (a pseudovector).
    every = next(way for way in range(8) if (way_matrix(affine.spec, way)[:3, :3] == -np.eye(3)).all())
    assert np.array_equal(way_matrix(affine.spec, every)[3:, 3:], np.eye(3))
    turns = [way for way in range(WAYS) if round(float(np.linalg.det(way_matrix(affine.spec, way)[:3, :3]))) == 1]
    assert len(turns) == 24
    assert all(np.array_equal(way_matrix(affine.spec, w)[:3, :3], way_matrix(affine.spec, w)[3:, 3:]) for w in turns)


def test_a_sensor_that_is_worn_right_keeps_its_axes(affine: AffineFactory) -> None:
    X, labels = windows(people=(9,))
    assert taught(affine, X, labels).state.used == 0


def test_one_class_or_few_windows_change_nothing(affine: AffineFactory) -> None:
    X, labels = windows(people=(9,))
    worn = turned(affine.spec, X, 7)
    assert taught(affine, worn[labels == 1], labels[labels == 1]).state.used == 0
    assert taught(affine, worn[::30][:7], labels[::30][:7]).state.used == 0


@pytest.mark.slow
def test_contradicting_labels_change_nothing(affine: AffineFactory) -> None:
    X, labels = windows(people=(9,))
    for seed in range(5):
        wrong = np.random.default_rng(seed).permutation(labels)
        assert taught(affine, X, wrong).state.used == 0
        assert taught(affine, turned(affine.spec, X, 7), wrong).state.used == 0


@pytest.mark.slow
def test_a_saturated_or_silent_sensor_changes_nothing(affine: AffineFactory) -> None:
    X, labels = windows(people=(9,))
    for value in (0.0, 8.0, -8.0, 1e30):
        assert taught(affine, np.full_like(X, value), labels).state.used == 0


def test_missing_values_and_other_classes_are_refused(affine: AffineFactory) -> None:
    X, _ = windows(people=(9,))
    learner = AffineLearner(affine)
    with pytest.raises(AdaptationError):
        learner.learn(np.where(np.arange(SAMPLES) == 3, np.nan, X[0]).astype(np.float32), 0)
    with pytest.raises(LabelUnknownError):
        learner.learn(X[0], 3)
    assert learner.state.examples == 0


def test_sums_stay_within_their_bits(affine: AffineFactory) -> None:
    learner, loud = AffineLearner(affine), np.full((AXES, SAMPLES), 1e9, np.float32)
    loud[:, ::2] *= -1
    for _ in range(3 * MOST_COUNTED):
        learner.learn(loud, 0)
    assert learner.state.counts[0] <= MOST_COUNTED
    assert learner.state.powers.max() < 1 << 31


def test_two_slots_keep_it_through_power_cuts_and_for_this_model_only(affine: AffineFactory) -> None:
    X, labels = windows(people=(9,))
    worn = turned(affine.spec, X, 7)
    old, new = taught(affine, X[:40], labels[:40]).state, taught(affine, worn, labels).state
    size = 20 + len(state_bytes(new))
    for cut in range(0, size + 1, 5):
        medium = Half()
        Slots(medium, affine).save(old)
        medium.cut = cut
        Slots(medium, affine).save(new)
        loaded = Slots(medium, affine).load()
        assert state_bytes(loaded) == state_bytes(new if cut == size else old)
    other = factory(seed=5)
    assert Slots(medium, other).load().examples == 0
    medium.cut = None
    assert Slots(medium, affine).undo().used == Slots(medium, affine).load().used == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rotation": (0, 4, 5)}, "each once"),
        ({"samples": 20000}, "samples from 1"),
        ({"gain": 101}, "gain from 0 to 100"),
        ({"bits": (99, 0)}, "bits from"),
        ({"classes": 4}, "shape"),
    ],
)
def test_a_package_with_other_limits_is_refused(affine: AffineFactory, changes: dict[str, object], text: str) -> None:
    with pytest.raises(AdaptationError, match=text):
        read_affine(msgspec.structs.replace(affine.spec, **changes), affine_files(affine), "package x")


def examples(affine: AffineFactory) -> tuple[np.ndarray, bytes]:
    """Return worn windows with their labels as C receives them, and what it is to give."""
    X, labels = windows(people=(9, 10))
    worn = turned(affine.spec, X, 21)
    order = np.random.default_rng(0).permutation(len(worn))[:150]
    worn, labels = worn[order], labels[order]
    learner, wanted = AffineLearner(affine), b""
    for window, label in zip(worn, labels, strict=True):
        wanted += learner.turned(window[None]).tobytes()
        learner.learn(window, int(label))
    assert learner.state.used == 1
    rows = np.concatenate([worn.reshape(len(worn), -1), labels[:, None]], axis=1).astype(np.float32)
    return np.ascontiguousarray(rows), wanted + state_bytes(learner.state)


def test_c_turns_and_learns_as_the_reference(affine: AffineFactory, tmp_path: Path) -> None:
    need("gcc")
    rows, wanted = examples(affine)
    files = {**write_affine_c99(affine, name="m"), "main.c": _MAIN % {"each": rows.shape[1]}}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1", "-fsanitize=undefined,address"]
    flags += ["-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, "m_adapt.c", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "main"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    assert output == wanted


@pytest.mark.slow
def test_a_cortex_m4_learns_the_same_within_its_limits(affine: AffineFactory) -> None:
    if missing_tools("cortex-m4"):
        pytest.skip("no emulator")
    rows, wanted = examples(affine)
    rows, state = rows[:60], AffineLearner(affine)
    for row in rows:
        state.learn(row[:-1].reshape(AXES, SAMPLES), int(row[-1]))
    wanted = state_bytes(state.state)
    each = rows.shape[1]
    call = (
        "static m_adapt_state state; const float *row = in; m_undo(&state);"
        f"for (int k = 0; k < {len(rows)}; ++k, row += {each}) m_adapt_learn(&state, row, (int)row[{each - 1}]);"
        "const uint8_t *from = (const uint8_t *)(const void *)&state; uint8_t *to = out;"
        "for (unsigned k = 0; k < M_ADAPT_BYTES; ++k) to[k] = from[k];"
    )
    entry = Entry("m_adapt.h", call, rows.nbytes, len(wanted))
    device_run = run_on_device(write_affine_c99(affine, name="m"), entry, "cortex-m4", rows.reshape(1, -1))
    assert device_run.outputs[0].tobytes() == wanted
    assert device_run.ram <= 2048
    assert device_run.instructions / len(rows) <= 200_000
