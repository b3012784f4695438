"""Generated C is proven with every compiler there is; one that is missing is said in a line."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from c99_stages import need_compiler, need_named_compiler
from cli_runner import Cli
from edgewright.core.errors import CompilerMissingError
from edgewright.export.c99_host.host import compiler_command, compilers
from edgewright.workflows.proof.workflow import prove_place
from foreign import MODELS
from support import left_out

Patch = pytest.MonkeyPatch


def program(path: Path, text: str) -> Path:
    """Return a program that says a version and nothing else."""
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


def real(path: Path, name: str) -> None:
    """Link a compiler of this machine into a folder of its own."""
    executable = shutil.which(name)
    if executable is None:
        left_out(name)
    path.write_text(f'#!/bin/sh\nPATH=/usr/bin:/bin exec {executable} "$@"\n')
    path.chmod(0o755)


def test_each_compiler_is_found_once_and_missing_ones_are_named(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    assert [(c.name, c.command) for c in compilers()] == [("gcc", ()), ("clang", ())]
    with pytest.raises(CompilerMissingError):
        compiler_command()
    program(tmp_path / "cc", "cc (A system 9.1.0-3) 9.1.0")
    assert [(c.name, c.version) for c in compilers()] == [("gcc", ""), ("clang", ""), ("cc", "9.1.0")]
    program(tmp_path / "gcc", "gcc (A system 9.1.0-3) 9.1.0")
    program(tmp_path / "clang", "Another clang version 14.0.6")
    assert [(c.name, c.version) for c in compilers()] == [("gcc", "9.1.0"), ("clang", "14.0.6")]
    monkeypatch.setenv("CC", "cc")
    assert [c.name for c in compilers()] == ["cc", "clang"], "cc is that gcc"
    monkeypatch.setenv("CC", f"{tmp_path / 'gcc'} -m32")
    assert [(c.name, c.command[1:]) for c in compilers()] == [("gcc -m32", ("-m32",)), ("gcc", ()), ("clang", ())]
    assert compiler_command() == (str(tmp_path / "gcc"), "-m32")
    monkeypatch.setenv("CC", "/nowhere/icc")
    assert [(c.name, bool(c.command)) for c in compilers()] == [("/nowhere/icc", 0), ("gcc", 1), ("clang", 1)]


def test_zig_compiles_if_the_system_has_no_compiler(tmp_path: Path, monkeypatch: Patch) -> None:
    need_named_compiler("zig")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert [(c.name, bool(c.command)) for c in compilers()] == [("gcc", False), ("clang", False), ("zig", True)]
    assert compiler_command()[1:4] == ("-m", "ziglang", "cc")
    assert compiler_command("zig") == compiler_command()
    program(tmp_path / "gcc", "gcc (A system 9.1.0-3) 9.1.0")
    assert [c.name for c in compilers()] == ["gcc", "clang"]
    assert compiler_command() == (str(tmp_path / "gcc"),)


@pytest.mark.slow
def test_the_c_of_every_compiler_is_a_form_and_they_agree(monkeypatch: Patch) -> None:
    if not (shutil.which("gcc") and shutil.which("clang")):
        left_out("gcc and clang")
    monkeypatch.delenv("CC", raising=False)
    record = prove_place(str(MODELS / "sklearn-logistic.onnx"), rows=50)
    names = [form.name for form in record.forms]
    assert record.passed and {"float C99 by gcc", "float C99 by clang"} <= set(names)
    (pair,) = (p for p in record.pairs if {p.first, p.second} == {"float C99 by gcc", "float C99 by clang"})
    assert pair.verdict == "bit-exact"
    note = next(form.note for form in record.forms if form.name == "float C99 by clang")
    assert note.startswith("clang ") and note.endswith("-std=c99 -O2 -ffp-contract=off")


@pytest.mark.slow
def test_a_missing_compiler_is_one_line_and_no_failure(tmp_path: Path, monkeypatch: Patch, cli: Cli) -> None:
    need_compiler()
    model = str(MODELS / "sklearn-logistic.onnx")
    real(tmp_path / "gcc", "gcc")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    text = cli("prove", model, "--rows", "10")
    assert text.count("clang is not installed") == 1 and "C99 by clang - clang is not installed" in text
    (tmp_path / "gcc").unlink()
    assert "C99 by gcc - gcc is not installed" in cli("prove", model, "--rows", "10")


def test_a_module_cannot_be_exported_without_a_compiler(tmp_path: Path, monkeypatch: Patch, cli: Cli) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    model, out = str(MODELS / "sklearn-logistic.onnx"), tmp_path / "out"
    (line,) = cli("export", model, "--to", "extension", "--out", out, code=2).strip().splitlines()
    assert "a C compiler" in line and "ziglang" in line and "--to c99" in line
    assert not out.exists() or not list(out.iterdir())
