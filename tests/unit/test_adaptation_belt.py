"""A package whose devices learn their axes: simulated, taught from files, proven, and exported with its stream."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from axes_example import LABELS, SAMPLES, windows, write_belt
from c99_examples import need
from cli_runner import Cli
from edgewright.core.adaptation.affine import AffineFactory, state_bytes, turned
from edgewright.core.adaptation.predictor import AdaptedPredictor, origin_of
from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.export.contract import package_subject
from edgewright.export.emulator import missing_tools
from edgewright.export.targets.c99 import TARGET
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.workflows.proof.anomalies import adaptation_proof
from edgewright.workflows.proof.subject import choose_rows, read_subject

pytestmark = pytest.mark.usefixtures("children_call_c")

# The number of the way '-x,-y,-z'.
_MIRRORED = 7
_MAIN = """
#include "belt_stream.h"
#include "belt_adapt.h"
#include <stdio.h>
int main(void) {
    static belt_adapt_state state;
    static belt_stream_context context;
    static float row[7];
    belt_event event;
    belt_init(&context);
    belt_undo(&state);
    belt_adapt_use(&state);
    for (int k = 0; fread(row, sizeof row, 1, stdin) == 1; ++k) {
        if (belt_push(&context, row, &event)) putchar('0' + event.label);
        if (k % 32 == 31 && row[6] >= 0.0f && belt_learn(&state, (int)row[6]) < 0) return 3;
    }
    putchar('.');
    fwrite(&state, 1, BELT_ADAPT_BYTES, stdout);
    return 0;
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("belt")
    return run_pipeline(read_config(str(write_belt(folder))), out=folder / "runs").folder


def worn(run: Path, way: int = _MIRRORED) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of the person p7, class after class, with a device that is worn in this way."""
    X, labels = windows((7,), count=16)
    origin = origin_of(read_package(run / "belt.edge"))
    assert isinstance(origin, AffineFactory)
    return turned(origin.spec, X.round(4), way), labels


@pytest.mark.slow
def test_a_simulation_wears_the_sensor_another_way(cli: Cli, run: Path) -> None:
    report = cli.json("adapt", "simulate", run, "--examples", "6", "--worn=-x,-y,-z")
    assert len(report["people"]) == 2
    for one in report["people"]:
        assert one["before"] < 0.7 < 0.95 < one["after"]
        assert one["used"]
    assert report["state_bytes"] <= 2048
    plain = cli.json("adapt", "simulate", run, "--examples", "6")
    assert all(one["before"] == one["after"] and not one["used"] for one in plain["people"])
    assert "expected three axes" in cli("adapt", "simulate", run, "--worn", "x,x,y", "--examples", "6", code=2)


@pytest.mark.slow
def test_the_predictor_learns_and_is_restored(run: Path) -> None:
    package = read_package(run / "belt.edge")
    X, labels = worn(run)
    truth = np.array(LABELS)[labels]
    predictor = AdaptedPredictor(package)
    assert (predictor.predict(X).labels == truth).mean() < 0.7
    assert predictor.learn(X[::2], truth[::2].tolist()).used
    right, _ = worn(run, 0)
    plain = Predictor(package, engine="numpy")
    assert np.array_equal(predictor.predict(X).probabilities, plain.predict(right).probabilities)
    predictor.restore(None)
    assert np.array_equal(predictor.predict(X).probabilities, plain.predict(X).probabilities)


@pytest.mark.slow
def test_windows_with_missing_values_are_refused(run: Path) -> None:
    predictor = AdaptedPredictor(read_package(run / "belt.edge"))
    X, labels = worn(run)
    X[0, 1, 3] = np.nan
    done = predictor.learn(X[:4], np.array(LABELS)[labels[:4]].tolist())
    assert (done.learned, done.refused) == (3, 1)


@pytest.mark.slow
def test_a_device_learns_from_files_and_undoes_it(cli: Cli, run: Path, tmp_path: Path) -> None:
    X, labels = worn(run)
    files, state = tmp_path / "examples", tmp_path / "state"
    files.mkdir()
    for number, label in enumerate(LABELS):
        rows = np.concatenate([window.T for window in X[labels == number]])
        text = ["ax,ay,az,gx,gy,gz", *(",".join(map(str, row)) for row in rows)]
        (files / f"{label}.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
    assert "the axes are read as -x,-y,-z" in cli("adapt", "learn", run, "--examples", files, "--state", state)
    report = cli.json("adapt", "status", run, "--state", state)
    assert (report["layer"], report["axes"], report["used"]) == ("affine", "-x,-y,-z", True)
    assert "the axes are read as they are" in cli("adapt", "undo", run, "--state", state)


@pytest.mark.slow
def test_a_proof_replays_it(run: Path) -> None:
    need("gcc")
    device = "" if missing_tools("cortex-m4") else "cortex-m4"
    subject = read_subject(run, device)
    chosen = choose_rows(subject, run, None, 60, 0)
    proof = adaptation_proof(subject, str(run), chosen)
    assert proof is not None
    assert proof.passed
    assert len(proof.pairs) >= 1 + bool(device)
    assert int(proof.notes[0].split()[5]) > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(back ? other : i)", "(back ? i : other)"),
        ("* (100 - 10)", "* (100 - 99)"),
        ("squares += q * q", "squares += q"),
    ],
)
def test_a_planted_fault_is_found(run: Path, old: str, new: str) -> None:
    need("gcc")
    subject = read_subject(run, "")
    proof = adaptation_proof(
        subject, str(run), choose_rows(subject, run, None, 60, 0),
        lambda files: {name: text.replace(old, new) for name, text in files.items()},
    )  # fmt: skip
    assert proof is not None
    assert not proof.passed


@pytest.mark.slow
def test_the_exported_stream_learns_what_the_predictor_learns(run: Path, tmp_path: Path) -> None:
    need("gcc")
    package = read_package(run / "belt.edge")
    files = {name: text.decode() for name, text in TARGET.files(package_subject(package)).items()}
    X, labels = worn(run)
    taught = np.where(np.arange(len(X)) % 2 == 0, labels, -1)
    predictor, wanted, last = AdaptedPredictor(package), "", ""
    for window, number in zip(X, taught, strict=True):
        label = str(predictor.predict(window[None]).labels[0])
        wanted, last = wanted + (str(LABELS.index(label)) if label != last else ""), label
        if number >= 0:
            predictor.learn(window[None], [LABELS[number]])
    rows = np.concatenate([np.c_[w.T, np.full(SAMPLES, k)] for w, k in zip(X, taught, strict=True)]).astype(np.float32)
    for name, text in {**files, "main.c": _MAIN}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address"]
    sources = sorted(path.name for path in tmp_path.glob("*.c") if "self_test" not in path.name)
    subprocess.run(["gcc", *flags, *sources, "-lm", "-o", "main"], cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "main"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    assert output == wanted.encode() + b"." + state_bytes(predictor.state)


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        ("adapt.acceleration=['ax','ay']", InputError, "three channels"),
        ("adapt.rotation=['gx','gy','gw']", UnknownNameError, "gw"),
    ],
)
def test_a_pipeline_that_names_no_axes_is_refused(tmp_path: Path, key: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run_pipeline(read_config(str(write_belt(tmp_path)), (key, "training.epochs=1")), out=tmp_path / "runs")
