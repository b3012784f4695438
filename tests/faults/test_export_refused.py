"""`edgewright export` told to do what it cannot: one line, the exit code that says why, nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.cli.main import run
from edgewright.core import engines
from edgewright.core.errors import ExportError, InvalidNameError
from edgewright.core.package import package_bytes
from edgewright.export._extension import build
from edgewright.export._extension.build import can_build
from edgewright.export._extension.model import build_model
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import Subject
from edgewright.export.targets.extension import TARGET as EXTENSION
from edgewright.export.write import write_files
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from foreign import MODELS, answers, model, node
from runtime_example import parts
from support import left_out

Capture = pytest.CaptureFixture[str]
_W = np.ones((4, 3), np.float32)
_GOOD = model([node("Gemm", ["x", "w"], ["y"])], ["n", 4], constants={"w": _W})
_TWO = model([node("Gemm", ["x", "w"], ["y"]), node("Sigmoid", ["y"], ["z"])], ["n", 4], constants={"w": _W},
             outputs=("y", "z"))  # fmt: skip


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.onnx"
    path.write_bytes(_GOOD)
    return path


def refused(capsys: Capture, expected: str, *arguments: object, code: int = 2) -> None:
    assert run(["export", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("edgewright: ") and err.count("\n") == 1, err
    assert expected in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "c98"), "Did you mean 'c99'?"),
        (("--to", "../contract"), "no export target"),
        (("--to", "c99", "--device", "cortex-m5"), "no device profile 'cortex-m5'"),
        (("--to", "c99", "--form", "int8"), "--form with a run or a package, which have forms, got int8"),
        (("--to", "onnx", "--name", "../evil"), "a plain name for the files, got '../evil'"),
        (("--to", "onnx", "--name", "sub/evil"), "a plain name for the files"),
        (("--to", "onnx", "--name", "/evil"), "a plain name for the files"),
        (("--to", "onnx", "--name", ".."), "a plain name for the files"),
        (("--to", "onnx", "--name", "a\0b"), "a plain name for the files"),
        (("--to", "onnx", "--name", "n" * 300), "a plain name for the files"),
        (("--to", "c99", "--name", "int"), "no word of C, got 'int'"),
        (("--to", "c99", "--shape", "5"), "a shape of one sample that fits (4), got 5"),
    ],
)
def test_options_that_cannot_be(options: tuple[str, ...], message: str, good: Path, capsys: Capture) -> None:
    out = good.parent / "out"
    refused(capsys, message, good, *options, "--out", out)
    assert not out.exists()
    assert sorted(p.name for p in good.parent.iterdir()) == ["good.onnx"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.onnx", b"", "bytes without a graph"),
        ("empty.tflite", b"", "the mark TFL3 is missing"),
        ("empty.edge", b"", "a file of another kind"),
        (
            "notes.txt",
            b"hello",
            "a run folder, a package (.edge), or a model (.onnx, .tflite, LightGBM, XGBoost), got a file of another",
        ),
        ("weights.pt", b"PK\x03\x04" + bytes(40), "a file of another kind"),
        ("net.keras", b"PK\x03\x04" + bytes(40), "Export a model of another kind to ONNX first"),
        ("text.onnx", b"hello\nworld", "expected an ONNX model"),
        ("cut.edge", b"PK\x03\x04" + bytes(200), "a whole package"),
        ("pump.detector", b"PK\x03\x04" + bytes(200), "error[package-damaged]"),
    ],
)
def test_files_that_are_no_models(name: str, data: bytes, message: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / name).write_bytes(data)
    refused(capsys, message, tmp_path / name, "--to", "c99", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_shape_says_nothing_of_a_package_or_a_tflite_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "p.edge").write_bytes(package_bytes(*parts()))
    refused(capsys, "--shape with an ONNX model", tmp_path / "p.edge", "--to", "c99", "--shape", "4")


def test_every_cut_of_a_foreign_model_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    data = (MODELS / "torch-dense-script.onnx").read_bytes()
    for length in range(0, len(data), len(data) // 25):
        (tmp_path / "cut.onnx").write_bytes(data[:length])
        refused(capsys, "expected", tmp_path / "cut.onnx", "--to", "c99", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_outputs_that_are_in_the_way_are_kept(good: Path, capsys: Capture) -> None:
    path = good.parent
    (path / "file").write_text("kept")
    refused(capsys, "File exists", good, "--to", "c99", "--out", path / "file", code=74)
    refused(capsys, "Not a directory", good, "--to", "c99", "--out", path / "file" / "deeper", code=74)
    assert (path / "file").read_text() == "kept"
    out = path / "out"
    out.mkdir()
    (out / "good.h").write_text("mine")
    refused(capsys, "Use --force to replace it", good, "--to", "c99", "--out", out)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("good.h", "mine")]
    (out / "good.h").unlink()
    (out / "good.h").mkdir()
    # Neither of the two files is written where one of them cannot be.
    refused(capsys, "one that has a folder of it", good, "--to", "c99", "--out", out, "--force")
    assert [p.name for p in out.iterdir()] == ["good.h"]


def test_the_name_in_a_package_cannot_lead_out_of_the_folder(tmp_path: Path, capsys: Capture) -> None:
    manifest, files = parts()
    (tmp_path / "p.edge").write_bytes(package_bytes(msgspec.structs.replace(manifest, name="../../evil"), files))
    refused(capsys, "a plain name for the files", tmp_path / "p.edge", "--to", "onnx", "--out", tmp_path / "a" / "b")
    with pytest.raises(InvalidNameError):
        write_files(tmp_path, {"ok": b"", "..\\evil": b""})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.edge"]


def test_several_outputs_have_no_place_in_c() -> None:
    graph = read_model(_TWO, "two")
    with pytest.raises(ExportError, match=r"expected one output, or label, .* got y, z - at graph two"):
        write_c99(graph, CodeOptions("two"))
    with pytest.raises(ExportError, match="expected the outputs prediction, got y, z"):
        EXTENSION.files(Subject("two", graph))


def test_no_compiler_is_said_in_one_line(good: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(good.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(good.parent / "cache"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build, "zig_command", lambda: ())
    refused(capsys, "pip install 'edgewright[web]'", good, "--to", "extension", "--out", good.parent / "out")
    assert not (good.parent / "out").exists()


@pytest.mark.slow
def test_two_heads_on_one_input_are_compiled_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of two classifiers: what follows the first head reads the input again."""
    if not can_build() or not hasattr(os, "getuid"):
        left_out("no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    heads = [node("Gemm", ["x", "w"], ["a"]), node("Softmax", ["a"], ["b"]), node("Gemm", ["x", "v"], ["c"]),
             node("Softmax", ["c"], ["d"]), node("Add", ["b", "d"], ["y"])]  # fmt: skip
    rng = np.random.default_rng(0)
    constants = {key: rng.normal(size=(4, 3)).astype(np.float32) for key in "wv"}
    foreign = model(heads, ["n", 4], constants=constants)
    ours, x = to_onnx(read_model(foreign, "heads")), rng.normal(size=(9, 4)).astype(np.float32)
    build_model(ours)
    (answer,) = engines.get("extension").load(ours)(x).values()
    np.testing.assert_allclose(answer, answers(foreign, x)[0], rtol=1e-5, atol=1e-6)
