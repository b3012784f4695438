"""Modules for other systems: of the right kind, run where an emulator is, found on the device, and what is refused."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.core import engines
from edgewright.core.engines.extension import answer_of, describe
from edgewright.core.errors import CheckFailedError, InputError, MissingExtraError, NativeModuleError, ProofError
from edgewright.core.integer.network import run_integer
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import (
    NATIVE,
    delivered_module,
    find_module,
    load_module,
    model_key,
    this_system,
)
from edgewright.core.records.network import Graph
from edgewright.export import cores
from edgewright.export._extension import build
from edgewright.export.answering import ensure_extension
from edgewright.export.contract import Subject
from edgewright.export.cores import zig_command
from edgewright.export.targets.extension import build_extension
from edgewright.export.targets.native import SYSTEMS, TARGET, System, build_for
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.workflows.proof.artifacts import Findings, read_artefacts
from integer_networks import small
from runtime_example import classifier, numbers
from support import left_out

STAND_IN = Path(__file__).parents[1] / "python_stand_in.c"
ENTRY = "PyInit_edgewright_model"
# Numbers of processors in ELF and PE files.
ELF = {"linux-x86_64": 62, "linux-aarch64": 183, "linux-armv7l": 40, "linux-riscv64": 243}
PE = {"windows-amd64": 0x8664}
# Emulator, and where Debian puts the loader and the C library of another processor.
EMULATED = {
    "linux-aarch64": ("qemu-aarch64", "/usr/aarch64-linux-gnu", "libc6-dev-arm64-cross"),
    "linux-armv7l": ("qemu-arm", "/usr/arm-linux-gnueabihf", "libc6-armhf-cross"),
    "linux-riscv64": ("qemu-riscv64", "/usr/riscv64-linux-gnu", "libc6-riscv64-cross"),
}


@cache
def module_for(system: str, name: str = "separable") -> bytes:
    """Return the module of a small network for a system."""
    if not zig_command():
        left_out("ziglang (pip install 'edgewright[web]')")
    graph = classifier() if name == "rows" else small(name)
    return build_for(to_onnx(graph), (system,))[system]


def network_case(graph: Graph) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return bytes at the boundary of a network and the reference's answers."""
    network = integer_network(graph)
    shape = network.values[network.input].shape
    x = np.random.default_rng(0).integers(-128, 128, (300, *shape), dtype=np.int8)
    x[0], x[1] = -128, 127
    return x, run_integer(network, x)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_module_is_of_the_kind_of_its_system(system: str) -> None:
    content = module_for(system)
    if system in ELF:
        assert content[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", content, 18) == (ELF[system],)
        assert elf_exports(content) == {ENTRY}
    else:
        (start,) = struct.unpack_from("<I", content, 0x3C)
        assert content[start : start + 4] == b"PE\0\0"
        assert struct.unpack_from("<H", content, start + 4) == (PE[system],)
        text = output_of(["objdump", "-p"], content)
        assert ENTRY in text
        libraries = {line.split()[-1] for line in text.splitlines() if "DLL Name" in line}
        assert libraries == {"python3.dll", "ucrtbase.dll"}


def output_of(command: list[str], content: bytes) -> str:
    """Return what a tool says of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "module")
        path.write_bytes(content)
        return subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout


def elf_exports(content: bytes) -> set[str]:
    """Return the names that a shared object gives others."""
    rows = (line.split() for line in output_of(["readelf", "-W", "--dyn-syms"], content).splitlines())
    return {words[7] for words in rows if len(words) == 8 and words[4] == "GLOBAL" and words[6] != "UND"}


@pytest.fixture(scope="session")
def stand_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command of a program for a processor that loads a module as Python does."""
    system = str(request.param)
    emulator, root, package = EMULATED[system]
    if shutil.which(emulator) is None or not Path(root, "lib/libc.so.6").exists():
        left_out(f"{emulator} and {root} (apt-get install qemu-user {package})")
    if not zig_command():
        left_out("ziglang (pip install 'edgewright[web]')")
    files = {"main.c": STAND_IN.read_bytes()}
    options = ("-O1", "-rdynamic", *SYSTEMS[system].options, "main.c", "-ldl")
    program = tmp_path_factory.mktemp("stand-in") / system
    program.write_bytes(build.compiled(files, (*zig_command(), "cc", *options), 300.0))
    program.chmod(0o755)
    return [emulator, "-L", root, str(program)]


@pytest.mark.slow
@pytest.mark.parametrize(("system", "stand_in"), [(name, name) for name in EMULATED], indirect=["stand_in"])
@pytest.mark.parametrize("name", ["separable", "dense"])
def test_every_byte_is_that_of_the_reference(name: str, system: str, stand_in: list[str], tmp_path: Path) -> None:
    (tmp_path / "module.so").write_bytes(module_for(system, name))
    x, wanted = network_case(small(name))
    assert len(np.unique(wanted)) > 50
    command = [*stand_in, str(tmp_path / "module.so"), "network", str(x[0].size)]
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    assert np.array_equal(np.frombuffer(done.stdout, np.int8).reshape(wanted.shape), wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("system", "stand_in"), [(name, name) for name in EMULATED], indirect=["stand_in"])
def test_float_answers_are_those_of_the_graph(system: str, stand_in: list[str], tmp_path: Path) -> None:
    (tmp_path / "module.so").write_bytes(module_for(system, "rows"))
    x = numbers(40, 10)
    x[3, 2] = np.nan
    command = [*stand_in, str(tmp_path / "module.so"), "batch", "10", "3", "1"]
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    values, labels, confidences = np.split(np.frombuffer(done.stdout, np.uint8), [4 * 3 * 40, (4 * 3 + 8) * 40])
    probabilities = values.view(np.float32).reshape(40, 3)
    wanted = compile_graph(classifier())(x)
    np.testing.assert_allclose(probabilities, wanted["probabilities"], rtol=1e-4, atol=2e-6)
    assert np.array_equal(labels.view(np.int64), wanted["label"])
    assert np.array_equal(confidences.view(np.float32), probabilities.max(axis=1))


@pytest.mark.slow
@pytest.mark.skipif(this_system() != "linux-x86_64", reason="left out: runs in Python on Linux on x86-64")
@pytest.mark.parametrize("name", ["separable", "dense"])
def test_the_module_of_this_system_runs_in_this_python(name: str, tmp_path: Path) -> None:
    path = tmp_path / "edgewright_model.abi3.so"
    path.write_bytes(module_for("linux-x86_64", name))
    graph, module = small(name), load_module(path)
    x, wanted = network_case(graph)
    assert describe(module).network == "int8"
    assert np.array_equal(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)
    samples = numbers(20, *graph.inputs[0].shape)
    outputs, expected = answer_of(module)(samples), compile_graph(graph)(samples)
    np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], atol=0.02)
    for wrong in (np.zeros(3, np.float32), np.zeros(samples[0].size), None):
        with pytest.raises((ValueError, TypeError)):
            module.row(wrong)
    # As the exported README has it: no NumPy, nothing of edgewright.
    text = (
        "import array, sys, edgewright_model as m\n"
        f"for _ in range(20000): answer = m.row(array.array('f', [0.5] * {samples[0].size}))\n"
        "assert 'numpy' not in sys.modules\nprint(answer[0], answer[1] == max(answer[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split()[1:] == ["True"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("system", ["windows-amd64", "linux-riscv64"])
def test_functions_of_mathematics_are_linked(system: str) -> None:
    """Each of them by its name: Windows has only those that are listed."""
    builder = Builder("functions", (6,))
    value = builder.input
    for op in ("Sigmoid", "Tanh", "Exp", "Abs", "Sqrt", "Log", "Floor", "Round"):
        value = builder.op(op, value)
    graph = builder.finish({"prediction": (value, "float32", (6,))})
    assert ENTRY.encode() in build_for(to_onnx(graph), (system,))[system]


@pytest.mark.slow
def test_without_gcc_and_clang_ziglang_builds_the_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not zig_command():
        left_out("ziglang (pip install 'edgewright[web]')")
    graph = small("separable")
    x, wanted = network_case(graph)
    before = load_module(build_extension(graph, cache=tmp_path / "gcc")) if build.can_build() else None
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert build.is_zig()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "zig"))
    monkeypatch.setenv("EDGEWRIGHT_COMPILE", "yes")
    model = to_onnx(graph)
    assert ensure_extension(model)
    path = find_module(model)
    assert path is not None
    module = load_module(path)
    assert np.array_equal(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)
    if before is not None:
        assert module.network(x) == before.network(x)
        samples = numbers(30, *graph.inputs[0].shape)
        theirs = answer_of(before)(samples)["probabilities"]
        np.testing.assert_allclose(answer_of(module)(samples)["probabilities"], theirs, atol=2e-6)


def test_the_extension_is_built_without_the_headers_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not build.compiler():
        left_out("a C compiler")
    monkeypatch.setattr(build, "_has_headers", lambda: False)
    module = load_module(build_extension(classifier(), cache=tmp_path))
    x = numbers(9, 10)
    np.testing.assert_allclose(
        answer_of(module)(x)["probabilities"], compile_graph(classifier())(x)["probabilities"], rtol=1e-4, atol=2e-6
    )
    assert module.row(x[0])[0] == compile_graph(classifier())(x)["label"][0]
    # A Python without its global lock has another interface.
    monkeypatch.setattr(build, "_is_stable", lambda: False)
    assert not build.can_build()
    with pytest.raises(CheckFailedError, match="needs a C compiler"):
        build_extension(classifier(), cache=tmp_path / "other")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as the target writes it, on a device that has no compiler and nothing in its cache."""
    if not build.can_build():
        left_out("a C compiler")
    built = build_extension(classifier(), cache=tmp_path / "cache").read_bytes()
    monkeypatch.setattr("edgewright.export.targets.native.build_for", lambda _model, _systems: {this_system(): built})
    monkeypatch.setitem(SYSTEMS, this_system(), System((), "this machine"))
    native = tmp_path / "native"
    for name, content in TARGET.files(Subject("activity", classifier())).items():
        (native / name).parent.mkdir(parents=True, exist_ok=True)
        (native / name).write_bytes(content)
    for path in (native, *native.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)
    monkeypatch.setenv(NATIVE, str(native))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    return native


def test_a_device_without_a_compiler_answers_with_what_was_delivered(folder: Path) -> None:
    model = to_onnx(classifier())
    assert find_module(model) == folder / this_system() / "edgewright_model.abi3.so"
    assert ensure_extension(model)
    x = numbers(8, 10)
    answers, wanted = engines.get("extension").load(model)(x), compile_graph(classifier())(x)
    np.testing.assert_allclose(answers["probabilities"], wanted["probabilities"], rtol=1e-4, atol=2e-6)
    # Of another model it says nothing.
    assert find_module(to_onnx(classifier((10, 8, 3)))) is None
    text = (folder / "README.md").read_text()
    assert "0 walking, 1 sitting, 2 running" in text
    assert f"{this_system()}/edgewright_model.abi3.so" in text


def changed(folder: Path, **values: object) -> None:
    """Write the index with other values."""
    index = msgspec.json.decode((folder / "native.json").read_bytes())
    (folder / "native.json").write_bytes(msgspec.json.encode({**index, **values}))


def test_a_proof_runs_the_module_for_this_machine_and_names_the_others(folder: Path, tmp_path: Path) -> None:
    system, name = this_system(), "edgewright_model.abi3.so"
    index = msgspec.json.decode((folder / "native.json").read_bytes())
    (folder / "linux-pdp11").mkdir()
    (folder / "linux-pdp11" / name).write_bytes(b"for another machine")
    modules = {**index["modules"], "linux-pdp11": {"file": f"linux-pdp11/{name}"}}
    changed(folder, modules=modules)

    def read() -> Findings:
        return read_artefacts(tmp_path / "model.onnx", None, {}, [str(folder)])

    package_files = read()
    assert [artefact.name for artefact in package_files.artefacts] == [f"{folder}/{system}/{name}"]
    reasons = {file.name: file.not_proven for file in package_files.files}
    assert reasons[f"{folder}/{system}/{name}"] == ""
    assert reasons[f"{folder}/linux-pdp11/{name}"] == f"not run: it is for linux-pdp11, and this machine is {system}"
    changed(folder, modules={**modules, system: {**index["modules"][system], "features": ["mmx2000"]}})
    with pytest.raises(ProofError, match=r"it needs a processor with mmx2000"):
        read()
    changed(folder, modules={"linux-pdp11": modules["linux-pdp11"]})
    (folder / system / name).unlink()
    with pytest.raises(ProofError, match=rf"a module for {system}, got linux-pdp11 \(not run: it is for linux-pdp11"):
        read()


def test_what_cannot_be_used_is_told_to_who_asks_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, system = to_onnx(classifier()), this_system()
    path = folder / system / "edgewright_model.abi3.so"
    index = (folder / "native.json").read_bytes()

    def refused(text: str) -> None:
        with pytest.raises(InputError, match=text) as caught:
            engines.get("extension").load(model)
        assert "\n" not in str(caught.value)
        assert NATIVE in str(caught.value)
        assert find_module(model) is None, "other engines answer"
        assert engines.choose(model=model).name != "extension"
        (folder / "native.json").write_bytes(index)

    changed(folder, modules={"linux-pdp11": {"file": "linux-pdp11/edgewright_model.abi3.so"}})
    refused(f"a module for {system}, got those for linux-pdp11")
    changed(folder, modules={system: {"file": "x.so", "features": ["mmx2000"]}})
    refused("mmx2000")
    changed(folder, modules={system: {"file": "gone.so"}})
    refused("gone.so")
    changed(folder, format=2)
    refused("format 1 or older, got 2")
    (folder / "native.json").write_bytes(index[:40])
    refused("a whole native.json")
    for part in (path, path.parent, folder):
        mode = part.stat().st_mode
        part.chmod(mode | 0o020)
        refused("only this user or root")
        part.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, 12345, -1)
        refused("only this user or root")
        os.chown(path, 0, -1)
    assert find_module(model) == path
    monkeypatch.setenv(NATIVE, str(folder / "nowhere"))
    with pytest.raises(NativeModuleError):
        delivered_module(model_key(model))


def test_wrong_use_is_one_line(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = tmp_path / "model.onnx", tmp_path / "out"
    model.write_bytes(to_onnx(classifier()))
    text = cli("export", model, "--to", "native", "--system", "linux-arm64", "--out", out, code=2)
    assert "linux-aarch64" in text
    assert text.count("\n") == 1
    text = cli("export", model, "--to", "c99", "--system", "linux-aarch64", "--out", out, code=2)
    assert "--to native" in text
    monkeypatch.setattr(cores, "zig_command", lambda: ())
    text = cli("export", model, "--to", "native", "--out", out, code=2)
    assert "pip install 'edgewright[web]'" in text
    assert text.count("\n") == 1
    with pytest.raises(MissingExtraError):
        build_for(to_onnx(classifier()))
    assert not out.exists()
