"""`edgewright export`: one form of a model as files; refusals in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.archive import pack
from edgewright.core.errors import ExportError, InputError, UnknownNameError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import read_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import find_module
from edgewright.core.predictor import package_path
from edgewright.export._extension.build import can_build
from edgewright.export.c99_host.host import compiler_command, load_c99
from edgewright.export.contract import find_target
from edgewright.graph.from_tflite import read_tflite
from foreign import MODELS, model, node
from small_pipeline import run_small, write_rows, write_toml
from support import left_out

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    toml = write_toml(path / "small.toml", write_rows(path / "rows.csv"))
    return run_small(toml, path / "runs", "training.epochs=5", "compression.max_drop=0.5").folder


def exported(capsys: Capture, *arguments: str) -> dict[str, Any]:
    assert run(["export", *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    record: dict[str, Any] = msgspec.json.decode(out)
    for file in record["files"]:
        assert Path(file["path"]).stat().st_size == file["bytes"]
    return record


@pytest.mark.slow
def test_a_run_becomes_onnx_with_its_rounding(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    record = exported(capsys, str(folder), "--to", "onnx", "--out", str(tmp_path), "--rounding", "tflm")
    assert (record["name"], record["form"], record["rounding"]) == ("small", "int8", "tflm")
    assert record["labels"] == ["off", "on"]
    assert [column["name"] for column in record["input"]["columns"]] == ["a", "b"]
    assert [file["path"] for file in record["files"]] == [str(tmp_path / "small.onnx")]
    graph = read_onnx((tmp_path / "small.onnx").read_bytes())
    assert graph.metadata["edgewright.rounding"] == "tflm"
    assert exported(capsys, str(tmp_path / "small.onnx"), "--to", "c99", "--out", str(tmp_path))["rounding"] == "tflm"


def test_a_package_becomes_c_with_a_header(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    package = str(folder / "small.edge")
    record = exported(
        capsys, package, "--to", "c99", "--out", str(tmp_path), "--device", "cortex-m4", "--form", "float"
    )
    assert [Path(file["path"]).name for file in record["files"]] == [
        *("small.c", "small.h", "small_self_test.c", "small_self_test.h", "small_stream.c", "small_stream.h"),
    ]
    assert (
        record["note"]
        == "small_push of small_stream.h takes the rows of a stream one by one and reports decisions and alarms"
    )
    assert record["form"] == "float"
    assert record["device"]["fits"]
    assert "int small_predict" in (tmp_path / "small.h").read_text()
    other = exported(capsys, package, "--to", "c99", "--out", str(tmp_path), "--name", "2nd-one")
    assert [Path(file["path"]).name for file in other["files"]] == [
        f"m_2nd_one{end}" for end in (".c", ".h", "_self_test.c", "_self_test.h", "_stream.c", "_stream.h")
    ]


@pytest.mark.parametrize(("tool", "target"), [("arduino", "library"), ("ESP-IDF", "library"), ("webassembly", "web")])
def test_the_name_of_a_tool_points_to_the_target_that_writes_for_it(tool: str, target: str) -> None:
    with pytest.raises(ExportError, match=f"(?i)^expected --to {target}, which writes .*{tool}.*, got --to {tool}"):
        find_target(tool)


@pytest.mark.parametrize("name", ["int8", "c", "tflit"])
def test_other_names_are_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="Known: c99, "):
        find_target(name)


def test_a_run_becomes_tflite_whole_and_its_int8_network_alone(
    folder: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    record = exported(capsys, str(folder), "--to", "tflite", "--out", str(tmp_path))
    assert [Path(file["path"]).name for file in record["files"]] == ["small.network.tflite", "small.tflite"]
    note = record["note"]
    assert note.startswith(
        "small.tflite is the whole pipeline: raw float32 values in, label (int32), probabilities, confidence"
    )
    assert "small.network.tflite is the network alone: takes 2 and gives " in note
    assert "after the preprocessing" in note
    assert "bytes in: value / " in note
    assert "give the file with its network alone" in cli(
        "export", tmp_path / "small.tflite", "--to", "onnx", "--out", tmp_path, code=2
    )
    network = read_tflite(tmp_path / "small.network.tflite")
    assert network.values[network.output].scale > 0
    # And back to ONNX, from the file alone.
    record = exported(capsys, str(tmp_path / "small.network.tflite"), "--to", "onnx", "--out", str(tmp_path))
    assert record["form"] == "int8"


@pytest.mark.slow
def test_a_run_becomes_a_module(folder: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can_build():
        left_out("a C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    record = exported(capsys, str(folder), "--to", "extension", "--form", "float", "--out", str(tmp_path / "out"))
    (file,) = record["files"]
    assert Path(file["path"]).name.startswith("edgewright_model.")
    # The engines find it from then on, for both forms, by the bytes that the package holds.
    exported(capsys, str(folder), "--to", "extension", "--form", "int8", "--out", str(tmp_path / "int8"))
    package = read_package(package_path(folder))
    modules = {form: find_module(package.model(form)) for form in ("float", "int8")}
    assert all(modules.values())
    assert Path(file["path"]).read_bytes() in [path.read_bytes() for path in modules.values() if path is not None]
    # Asked for other kernels than the package's it is another model.
    count = len(list((tmp_path / "cache").rglob("*.so")))
    exported(
        capsys,
        str(folder),
        "--to",
        "extension",
        "--form",
        "int8",
        "--rounding",
        "tflm",
        "--out",
        str(tmp_path / "other"),
    )
    assert len(list((tmp_path / "cache").rglob("*.so"))) == count + 1


@pytest.mark.parametrize("name", ["torch-conv2d-script", "sklearn-mlp", "sklearn-forest", "lightgbm"])
def test_models_from_elsewhere_are_exported_in_the_dialect(name: str, tmp_path: Path, capsys: Capture) -> None:
    record = exported(capsys, str(MODELS / f"{name}.onnx"), "--to", "onnx", "--out", str(tmp_path))
    kept = np.load(MODELS / f"{name}.npz")
    graph = read_onnx(Path(record["files"][0]["path"]).read_bytes())
    value = "probabilities" if graph.labels else "prediction"
    np.testing.assert_allclose(compile_graph(graph)(kept["x"])[value], kept["y"], atol=2e-5)


@pytest.mark.parametrize(
    "name", ["keras-conv2d", "sklearn-forest", "lightgbm", "sklearn-polynomial", "torch-dense-dynamo"]
)
def test_models_from_elsewhere_answer_in_c_as_they_did(name: str, tmp_path: Path, capsys: Capture) -> None:
    try:
        compiler_command()
    except InputError:
        left_out("a C compiler")
    exported(capsys, str(MODELS / f"{name}.onnx"), "--to", "c99", "--out", str(tmp_path))
    files = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = np.load(MODELS / f"{name}.npz")
    outputs = load_c99(files, tmp_path).predict(kept["x"]).outputs
    got = outputs["probabilities"] if "probabilities" in outputs else outputs["prediction"]
    spread = max(1.0, float(np.abs(kept["y"]).max()))
    np.testing.assert_allclose(np.reshape(got, kept["y"].shape) / spread, kept["y"] / spread, atol=1e-6)


def test_an_open_axis_is_closed_with_a_shape(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    path = tmp_path / "open.onnx"
    path.write_bytes(model([node("Relu", ["x"], ["y"])], ["n", "time", 3]))
    assert "Give the shape of one sample, such as --shape 100,3" in cli(
        "export", path, "--to", "onnx", "--out", tmp_path / "out", code=2
    )
    record = exported(capsys, str(path), "--to", "onnx", "--out", str(tmp_path / "out"), "--shape", "20,3")
    assert record["input"]["shape"] == [20, 3]


def test_what_is_printed_names_shapes_units_bytes_and_the_device(folder: Path, tmp_path: Path, cli: Cli) -> None:
    lines = cli("export", folder, "--to", "onnx", "--out", tmp_path, "--device", "cortex-m4").splitlines()
    assert lines[0] == "small: int8, rounded as litert"
    assert lines[1].startswith("  in   float32 2: a")
    assert lines[2] == "  out  label: int64 a number, one of off, on"
    assert lines[5].startswith(f"  wrote {tmp_path / 'small.onnx'}, ")
    assert lines[6].startswith("cortex-m4: ")
    assert [line.split(":")[0].strip() for line in lines[7:10]] == ["flash", "RAM", "latency"]


def test_a_model_beyond_the_device_is_exit_code_1(tmp_path: Path, capsys: Capture) -> None:
    weights = np.ones((1000, 2000), np.float32)
    path = tmp_path / "wide.onnx"
    path.write_bytes(model([node("Gemm", ["x", "w"], ["y"])], ["n", 1000], constants={"w": weights}))
    arguments = ["export", str(path), "--to", "onnx", "--device", "cortex-m4", "--out", str(tmp_path / "out")]
    assert run(arguments) == 1
    out, err = capsys.readouterr()
    assert "wrote" in out
    assert err.startswith(
        "edgewright: error[check-failed]: wide on cortex-m4: flash 8.00 MB is 6.95 MB (663%) beyond 1.05 MB"
    )
    assert "; RAM " not in err
    assert "what would fit: the int8 form, 2.0" in err
    assert " is too large, too, and esp32-s3 holds the model as it is (8.39 MB of flash and " in err
    assert err.count("\n") == 1


def test_nothing_is_overwritten_unless_told(folder: Path, tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    (tmp_path / "small.onnx").write_bytes(b"mine")
    assert "Use --force to replace it" in cli("export", folder, "--to", "onnx", "--out", tmp_path, code=2)
    assert (tmp_path / "small.onnx").read_bytes() == b"mine"
    exported(capsys, str(folder), "--to", "onnx", "--out", str(tmp_path), "--force")
    # The same bytes once more change nothing and need no force.
    exported(capsys, str(folder), "--to", "onnx", "--out", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--to", "tflit"],
            "Did you mean 'tflite'?",
        ),
        (["--to", "c99", "--device", "ice40-up5k"], "expected --to verilog for an FPGA, got --to c99"),
        (["--to", "onnx", "--device", "cortex-m5"], "no device profile 'cortex-m5'"),
        (["--to", "onnx", "--shape", "3,x"], "expected lengths separated by commas, such as 100,3, got '3,x'"),
        (["--to", "onnx", "--shape", "0"], "at --shape"),
        (["--to", "onnx", "--rounding", "up"], "'up' is not one of 'litert', 'tflm'"),
        ([], "Missing option '--to'"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, tmp_path: Path, capsys: Capture) -> None:
    path = MODELS / "sklearn-mlp.onnx"
    assert run(["export", str(path), *arguments, "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none.onnx", None, "got no such file"),
        ("cut.onnx", (MODELS / "lightgbm.onnx").read_bytes()[:3000], "expected an ONNX model, got bytes in which"),
        ("cut.tflite", b"\x1c\0\0\0TFL3" + b"\xff" * 50, "expected a .tflite file"),
        ("odd.onnx", model([node("Foo", ["x"], ["y"])], ["n", 3]), "got Foo (gives 'y') - at model odd"),
        ("text.edge", b"a,b\n1,2\n", "another kind"),
        ("damaged.edge", pack({"a": b"b"}).replace(b"PK\1\2", b"PK\1\0"), "expected a package as it was made"),
    ],
)
def test_bad_models_are_refused_in_one_line(
    name: str, data: bytes | None, message: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    assert run(["export", str(path), "--to", "onnx", "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()
