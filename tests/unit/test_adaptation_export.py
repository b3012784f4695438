"""A whole package that learns, as C: samples in, learned answers out, the state byte by byte that of Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from adaptation_data import COLUMNS, LABELS, ODD, write_worn
from c99_examples import need
from edgewright.core.adaptation.affine import memory_bytes, state_bytes
from edgewright.core.adaptation.predictor import AdaptedPredictor
from edgewright.core.package import Package, read_package
from edgewright.export.contract import Subject, package_subject
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.export.targets.c99 import TARGET
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline

_EXAMPLES = 45
_CALLS = """
    static worn_adapt_state state;
    static worn_context context;
    worn_answer answer;
    worn_undo(&state);
    int wrong = worn_learn(&state, 0) != -1;
    worn_adapt_use(&state);
    for (int k = 0; k < {count}; ++k, row += {each}) {{
        worn_predict(&context, row, &answer);
        *labels++ = (uint8_t)answer.label;
        if (k < {examples}) wrong |= worn_learn(&state, (int)row[{columns}]) < 0;
    }}
    for (unsigned k = 0; k < WORN_ADAPT_BYTES; ++k) *labels++ = ((const uint8_t *)(const void *)&state)[k];
    *labels++ = (uint8_t)wrong;
"""


@pytest.fixture(scope="module", params=["output", "prototypes"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    run = run_pipeline(read_config(str(write_worn(folder, request.param))), out=folder / "runs").folder
    return read_package(run / "worn.edge"), folder / "worn.csv"


def rows_of(csv: Path) -> tuple[np.ndarray, list[str]]:
    """Return examples of the odd person class after class, then all its samples."""
    lines = [line.split(",") for line in csv.read_text().splitlines() if line.startswith(f"{ODD},")]
    order = [k * 40 + i for k in range(3) for i in range(15)] + list(range(len(lines)))
    X = np.array([[float(cell) for cell in lines[i][2:]] for i in order], np.float32)
    return X, [lines[i][1] for i in order]


def state_after(package: Package, X: np.ndarray, labels: list[str]) -> bytes:
    """Return what C is to give: labels of all rows, each before it is learned from, and the state."""
    predictor, answers = AdaptedPredictor(package), []
    for index, (row, label) in enumerate(zip(X, labels, strict=True)):
        answers.append(LABELS.index(str(predictor.predict(row[None]).labels[0])))
        if index < _EXAMPLES:
            predictor.learn(row[None], [label])
    assert predictor.state.used == 1
    return bytes(answers) + state_bytes(predictor.state) + b"\0"


def exported(package: Package, core: str = "") -> dict[str, str]:
    subject = package_subject(package)
    subject = Subject(**{**{f: getattr(subject, f) for f in subject.__dataclass_fields__}, "core": core})
    return {name: text.decode() for name, text in TARGET.files(subject).items() if "stream" not in name}


def calls(count: int) -> str:
    return _CALLS.format(count=count, each=COLUMNS + 1, examples=_EXAMPLES, columns=COLUMNS)


def data_of(X: np.ndarray, labels: list[str]) -> np.ndarray:
    numbers = np.array([LABELS.index(label) for label in labels], np.float32)
    return np.ascontiguousarray(np.concatenate([X, numbers[:, None]], axis=1), np.float32)


@pytest.mark.slow
def test_the_exported_code_learns_what_the_predictor_learns(package: tuple[Package, Path], tmp_path: Path) -> None:
    need("gcc")
    adaptable, csv = package
    X, labels = rows_of(csv)
    wanted, rows = state_after(adaptable, X, labels), data_of(X, labels)
    main = (
        '#include "worn.h"\n#include "worn_adapt.h"\n#include <stdio.h>\n'
        f"static float data[{rows.size}];\nstatic uint8_t out[{len(wanted)}];\n"
        "int main(void) {\n    if (fread(data, sizeof data, 1, stdin) != 1) return 2;\n"
        "    const float *row = data; uint8_t *labels = out;\n"
        f"{calls(len(rows))}    fwrite(out, sizeof out, 1, stdout);\n    return 0;\n}}\n"
    )
    for name, text in {**exported(adaptable), "main.c": main}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address"]
    sources = sorted(path.name for path in tmp_path.glob("*.c"))
    subprocess.run(["gcc", *flags, *sources, "-lm", "-o", "main"], cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "main"], input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    assert output == wanted


@pytest.mark.slow
def test_the_code_for_a_cortex_m4_learns_the_same(package: tuple[Package, Path]) -> None:
    if missing_tools("cortex-m4"):
        pytest.skip("no emulator")
    adaptable, csv = package
    X, labels = rows_of(csv)
    wanted, rows = state_after(adaptable, X, labels), data_of(X, labels)
    files = exported(adaptable, "cortex-m4")
    files = {name: text for name, text in files.items() if "self_test" not in name}
    call = f"const float *row = in; uint8_t *labels = out;\n{calls(len(rows))}"
    files["worn_all.h"] = '#include "worn.h"\n#include "worn_adapt.h"\n'
    entry = Entry("worn_all.h", call, rows.nbytes, len(wanted))
    device_run = run_on_device(files, entry, "cortex-m4", rows.reshape(1, -1))
    assert device_run.outputs[0].tobytes() == wanted
    assert adaptable.manifest.adapt
    assert memory_bytes(adaptable.manifest.adapt) <= 2048


def test_a_package_that_does_not_learn_has_no_such_code(package: tuple[Package, Path]) -> None:
    adaptable, _ = package
    plain = package_subject(adaptable, form="float")
    assert plain.learned is None
    assert not any("adapt" in name for name in TARGET.files(plain))
