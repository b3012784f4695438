"""The features of the processor: those of the one that answers, also under an emulator, and those that are named."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.core.engines import onnxruntime
from edgewright.core.prediction import objects
from edgewright.core.prediction.objects import machine_tag
from edgewright.export._extension.build import flags
from processors import on_processor
from support import left_out

pytestmark = pytest.mark.numbers


@pytest.fixture(autouse=True)
def found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(objects.VARIABLE, raising=False)
    for cached in (objects._features, objects._shown):
        cached.cache_clear()
    yield
    for cached in (objects._features, objects._shown):
        cached.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, shown: str, answers: dict[str, bool]) -> None:
    """Replace the features that Linux lists and those that NumPy detects."""
    (folder / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {shown}\nbugs\t\t: none\n")
    monkeypatch.setattr(objects, "_CPUINFO", folder / "cpuinfo")
    monkeypatch.setattr(objects, "_numpy_answers", lambda: answers)


def test_named_features_replace_those_that_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    before = machine_tag()
    monkeypatch.setenv(objects.VARIABLE, "avx2  fma")
    assert objects.cpu_features() == {"avx2", "fma"} and onnxruntime.saturates()
    assert machine_tag() != before
    monkeypatch.setenv(objects.VARIABLE, "avx2 avx512_vnni")
    assert not onnxruntime.saturates()


def test_the_whole_list_holds_where_the_processor_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "sse2 avx2 avx_vnni", {"avx2": True, "avx512f": False})
    assert objects.cpu_features() == {"sse2", "avx2", "avx_vnni"} and objects.is_host()


def test_an_emulator_does_not_pass_the_list_of_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "sse2 avx2 avx512f avx_vnni", {"avx2": True, "avx512f": False})
    assert objects.cpu_features() == {"avx2"} and not objects.is_host()


def test_where_linux_shows_nothing_numpy_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "", {"avx2": True, "avx512_vnni": True, "avx512_bf16": False})
    monkeypatch.setattr(objects, "_CPUINFO", tmp_path / "absent")
    assert objects.cpu_features() == {"avx2", "avx512_vnni"}


def test_numpy_knows_nothing_here_that_linux_does_not_show() -> None:
    """NumPy's names are translated: a wrong name would take every real processor for an emulated one."""
    if not Path("/proc/cpuinfo").exists():
        left_out("Linux's list of features")
    request = objects._numpy_answers()
    if "sse2" in request and platform.machine() == "x86_64":
        # NumPy's own levels and groups (X86_V3, AVX512_ICL) are no features of Linux.
        groups = {name for name in request if name.startswith("x86_v") or name in {"avx512_skx", "avx512_clx"}}
        groups |= {"avx512_cnl", "avx512_icl", "avx512_spr", "avx512_knl", "avx512_knm"}
        present = {name for name, here in request.items() if here} - groups
        assert present and present <= objects.cpu_features()


def test_modules_are_compiled_for_the_features_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(objects.VARIABLE, "pni ssse3 avx2")
    assert flags()[-3:] == ("-msse3", "-mssse3", "-mavx2") and "-march=native" not in flags()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "has", "lacks"), [("Haswell", "avx2", "avx512_vnni"), ("Nehalem", "sse4_2", "avx2")])
def test_features_under_an_emulator_are_the_emulated_ones(name: str, has: str, lacks: str) -> None:
    lines = on_processor(
        name, "from edgewright.core.prediction.objects import cpu_features; print(*cpu_features())"
    ).split()
    assert has in lines and lacks not in lines
