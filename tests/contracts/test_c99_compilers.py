"""Generated C of every kind of export is C++ too, and holds nothing static but tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from c99_examples import WARNINGS, call, need
from c99_exports import WRITERS, export

_CPP = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wshadow", "-Wconversion", "-Wsign-conversion")
# The language of a file that ends in .c is told to both compilers; clang wonders whether that was meant.
COMPILERS = {"g++": ("g++", "-x", "c++"), "clang++": ("clang++", "-x", "c++")}
SETS = {
    "boards": ["boards"],
    "examples": ["examples"],
    "packages": [k for k in WRITERS if k not in ("boards", "examples")],
}
MANY = [pytest.param(name, marks=pytest.mark.slow if name == "examples" else ()) for name in SETS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a set of exports, with one source that includes all of theirs.

    A compiler takes longer to start and to read the headers of C than over an export.
    """
    base = tmp_path_factory.mktemp("exports")

    def write(name: str) -> Path:
        folder = base / name
        if not folder.exists():
            lines = []
            for kind in SETS[name]:
                (folder / kind).mkdir(parents=True)
                for file, text in export(kind).items():
                    (folder / kind / file).write_text(text, encoding="utf-8")
                lines += [f'#include "{kind}/{file}"\n' for file in sorted(export(kind)) if file.endswith(".c")]
            (folder / "all.c").write_text("".join(lines))
        return folder

    return write


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", MANY)
def test_every_export_is_c_plus_plus(name: str, compiler: str, folder: Callable[[str], Path]) -> None:
    need(compiler)
    for standard in ("c++11", "c++17"):
        call(folder(name), *COMPILERS[compiler], f"-std={standard}", *_CPP, "-fsyntax-only", "all.c")


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_every_export_is_c_without_a_warning_and_nothing_in_it_is_static_but_tables(
    name: str, folder: Callable[[str], Path]
) -> None:
    need("gcc", "nm")
    call(folder(name), "gcc", *WARNINGS, "-O0", "-fno-pie", "-c", "all.c")
    if name != "boards":
        # A board has one flash, whose state its updates keep.
        assert not re.findall(r" [bBdDC] (\w+)", call(folder(name), "nm", "all.o"))
