"""A layer that learns, as C: the bytes of a state are those of the reference, on this machine and on a Cortex-M4."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adaptation_example import CLASSES, WIDTH, blocks, factory
from c99_examples import need
from edgewright.core.adaptation.affine import slot_bytes, state_bytes
from edgewright.core.adaptation.learner import Factory, Learner
from edgewright.core.records.package import AdaptLayer
from edgewright.export.c99_learning.adapt import write_adapt_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device

LAYERS: tuple[AdaptLayer, ...] = ("output", "prototypes")
_FLASH = """
static uint8_t flash[2][4096];
static long left = -1;
static int my_erase(int slot) { memset(flash[slot], 255, sizeof flash[slot]); return 0; }
static int my_write(int slot, uint32_t offset, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        if (left == 0) return 1;
        left -= left > 0;
        flash[slot][offset + i] = bytes[i];
    }
    return 0;
}
static int my_read(int slot, uint32_t offset, uint8_t *bytes, uint32_t count) {
    memcpy(bytes, flash[slot] + offset, count);
    return 0;
}
static const m_adapt_flash kept = {my_erase, my_write, my_read};
"""
# Learns from examples of `WIDTH` hidden bytes, the factory's output bytes and a label; then gives the state.
_MAIN = (
    """
#include "m_adapt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
    + _FLASH
    + """
int main(int argc, char **argv) {
    static m_adapt_state state, other;
    int8_t row[M_ADAPT_WIDTH + M_ADAPT_CLASSES + 1];
    (void)argc;
    m_undo(&state);
    m_adapt_save(&state, &kept);
    while (fread(row, 1, sizeof row, stdin) == sizeof row) {
        if (m_adapt_learn(&state, row, row + M_ADAPT_WIDTH, row[sizeof row - 1]) < 0) return 3;
    }
    left = atol(argv[1]);
    m_adapt_save(&state, &kept);
    left = -1;
    if (m_adapt_load(&other, &kept) != 1) return 4;
    if (m_adapt_learn(&other, row, row, M_ADAPT_CLASSES) != -1) return 5;
    fwrite(&other, 1, M_ADAPT_BYTES, stdout);
    return 0;
}
"""
)


def rows_of(
    factory_layer: Factory, *, seed: int = 1, count: int = 48, classes: int = CLASSES
) -> tuple[np.ndarray, Learner]:
    """Return examples of the first classes as C receives them, and a learner that has seen them."""
    hidden, labels = blocks(shifted=True, seed=seed)
    rng = np.random.default_rng(seed)
    # Many examples, so that the pool overflows; a few with other labels.
    order = np.concatenate([np.arange(len(labels)), rng.integers(0, len(labels), 40)])[:count]
    hidden, labels = (
        hidden[order],
        np.where(rng.random(len(order)) < 0.1, rng.integers(0, 3, len(order)), labels[order]),
    )
    hidden, labels = hidden[labels < classes], labels[labels < classes]
    learner = Learner(factory_layer)
    outputs = learner.outputs(hidden)
    for example, given, label in zip(hidden, outputs, labels, strict=True):
        learner.learn(example, int(given.argmax()), int(label))
    rows = np.concatenate([hidden + factory_layer.spec.zero, outputs, labels[:, None]], axis=1).astype(np.int8)
    return np.ascontiguousarray(rows), learner


# The same after a start with the counts of an older state.
_OLDER = (
    _MAIN.replace("(void)argc;\n    m_undo(&state);", "(void)argc;\n    m_undo(&state);\n"
                  "    state.lead = (uint16_t)atoi(argv[1]);\n    state.behind = (uint16_t)atoi(argv[2]);")
    .replace("left = atol(argv[1]);", "left = -1;")
)  # fmt: skip


def built(folder: Path, files: Mapping[str, str], main: str = _MAIN) -> Path:
    for name, text in {**files, "main.c": main}.items():
        (folder / name).write_text(text, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1", "-fsanitize=undefined,address"]
    flags += ["-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, "m_adapt.c", "main.c", "-o", "main"], cwd=folder, check=True)
    return folder / "main"


@pytest.mark.parametrize("layer", LAYERS)
def test_c_learns_the_bytes_of_the_reference(layer: AdaptLayer, tmp_path: Path) -> None:
    need("gcc")
    factory_layer = factory(layer, weight_limit=9000)
    program = built(tmp_path, write_adapt_c99(factory_layer, name="m"))
    for seed, count in ((1, 88), (2, 48), (3, 7), (4, 1)):
        rows, learner = rows_of(factory_layer, seed=seed, count=count)
        output = subprocess.run([program, "-1"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
        assert output == state_bytes(learner.state)


def test_c_goes_on_with_the_counts_of_an_older_state_as_the_reference(tmp_path: Path) -> None:
    """A state of version 0.2 has counts where the lead and a zero are now: both forms go on with their difference."""
    need("gcc")
    factory_layer = factory("output", weight_limit=9000)
    program = built(tmp_path, write_adapt_c99(factory_layer, name="m"), _OLDER)
    for lead, behind in ((1024, 301), (301, 1024), (2, 1), (0, 0)):
        rows, _ = rows_of(factory_layer)
        learner = Learner(factory_layer)
        learner.state.lead, learner.state.behind = lead, behind
        outputs = learner.outputs(rows[:, :WIDTH].astype(np.int64) - factory_layer.spec.zero)
        for row, given in zip(rows.astype(np.int64), outputs, strict=True):
            learner.learn(row[:WIDTH] - factory_layer.spec.zero, int(given.argmax()), int(row[-1]))
        output = subprocess.run(
            [program, str(lead), str(behind)], input=rows.tobytes(), stdout=subprocess.PIPE, check=True
        ).stdout
        assert output == state_bytes(learner.state)


def test_c_judges_a_class_without_examples_as_the_reference(tmp_path: Path) -> None:
    need("gcc")
    factory_layer, used = factory("output", drop=100), []
    for copies in (1, 7):
        vectors = np.concatenate([factory_layer.vectors[:6], np.repeat(factory_layer.vectors[6:], copies, axis=0)])
        expected = np.concatenate([factory_layer.expected[:6], np.repeat(factory_layer.expected[6:], copies)])
        one = replace(factory_layer, vectors=vectors, expected=expected)
        program = built(tmp_path, write_adapt_c99(one, name="m"))
        rows, learner = rows_of(one, classes=2)
        output = subprocess.run([program, "-1"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
        assert output == state_bytes(learner.state)
        used.append(learner.state.used)
    assert used == [1, 0]


def test_c_replays_test_vectors_as_the_reference(tmp_path: Path) -> None:
    need("gcc")
    factory_layer = factory("output")
    program = built(tmp_path, write_adapt_c99(factory_layer, name="m"))
    hidden, labels = blocks(shifted=True)
    order = np.tile(np.flatnonzero(labels != 2), 6)
    learner, given = Learner(factory_layer), Learner(factory_layer).outputs(hidden)
    for index in order.tolist():
        learner.learn(hidden[index], int(given[index].argmax()), int(labels[index]))
    rows = np.concatenate([hidden + factory_layer.spec.zero, given, labels[:, None]], axis=1).astype(np.int8)[order]
    output = subprocess.run([program, "-1"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    assert output == state_bytes(learner.state)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_power_cut_during_a_save_leaves_a_whole_state(layer: AdaptLayer, tmp_path: Path) -> None:
    need("gcc")
    factory_layer = factory(layer)
    program = built(tmp_path, write_adapt_c99(factory_layer, name="m"))
    rows, learner = rows_of(factory_layer)
    old, new, seen = state_bytes(Learner(factory_layer).state), state_bytes(learner.state), set()
    for cut in (
        *range(0, slot_bytes(factory_layer.spec), 97),
        slot_bytes(factory_layer.spec) - 1,
        slot_bytes(factory_layer.spec),
    ):
        output = subprocess.run([program, str(cut)], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
        assert output == (new if cut == slot_bytes(factory_layer.spec) else old)
        seen.add(output)
    assert seen == {old, new}


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_a_cortex_m4_learns_the_same_bytes(layer: AdaptLayer) -> None:
    if missing_tools("cortex-m4"):
        pytest.skip("no emulator")
    factory_layer = factory(layer)
    files = write_adapt_c99(factory_layer, name="m")
    rows, learner = rows_of(factory_layer)
    each = WIDTH + CLASSES + 1
    call = (
        "static m_adapt_state state; const int8_t *row = in; m_undo(&state);"
        f"for (int k = 0; k < {len(rows)}; ++k, row += {each})"
        f" m_adapt_learn(&state, row, row + {WIDTH}, row[{each - 1}]);"
        "const uint8_t *from = (const uint8_t *)(const void *)&state; uint8_t *to = out;"
        "for (unsigned k = 0; k < M_ADAPT_BYTES; ++k) to[k] = from[k];"
    )
    entry = Entry("m_adapt.h", call, rows.size, len(state_bytes(learner.state)))
    device_run = run_on_device(files, entry, "cortex-m4", rows.reshape(1, -1))
    assert device_run.outputs[0].tobytes() == state_bytes(learner.state)
    assert device_run.ram <= slot_bytes(factory_layer.spec) + 16
