"""Generated C of every kind of export is C++ too, and holds nothing static but tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from c99_examples import WARNINGS, call, need
from c99_exports import KINDS, exports

_CPP = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wshadow", "-Wconversion", "-Wsign-conversion")
# The language of a file that ends in .c is told to both compilers; clang wonders whether that was meant.
COMPILERS = {"g++": ("g++", "-x", "c++"), "clang++": ("clang++", "-x", "c++")}
MANY = [pytest.param(kind, marks=pytest.mark.slow if kind == "examples" else ()) for kind in KINDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them in folders of their own, and a source in each that includes theirs."""
    made = tmp_path_factory.mktemp("exports")
    assert tuple(sorted(exports())) == tuple(sorted(KINDS))
    for name, files in exports().items():
        (made / name).mkdir()
        for file, text in files.items():
            (made / name / file).write_text(text, encoding="utf-8")
        sources = sorted(file for file in files if file.endswith(".c"))
        (made / name / "all.c").write_text("".join(f'#include "{file}"\n' for file in sources))
    return made


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("kind", MANY)
def test_every_export_is_c_plus_plus(kind: str, compiler: str, folder: Path) -> None:
    need(compiler)
    for standard in ("c++11", "c++17"):
        call(folder / kind, *COMPILERS[compiler], f"-std={standard}", *_CPP, "-fsyntax-only", "all.c")


@pytest.mark.parametrize("kind", MANY)
def test_every_export_is_c_without_a_warning_and_nothing_in_it_is_static_but_tables(kind: str, folder: Path) -> None:
    need("gcc", "nm")
    call(folder / kind, "gcc", *WARNINGS, "-O0", "-fno-pie", "-c", "all.c")
    if kind != "boards":
        # A board has one flash, whose state its updates keep.
        assert not re.findall(r" [bBdDC] (\w+)", call(folder / kind, "nm", "all.o"))
