"""C that stands in files beside the modules that write its tables: each compiles alone, without a warning."""

from __future__ import annotations

import json
import re
import shutil
import string
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edgewright.export.c99_code.parts import filled, parts
from support import ROOT, left_out, need_sanitizers

EXPORT = ROOT / "src" / "edgewright" / "export"
FILES = sorted(path for path in EXPORT.rglob("*.[ch]") if re.search(r"^/\* (block|lines) ", path.read_text(), re.M))
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
# The writer takes of a file what a model needs.
UNUSED = ["-Wno-unused-function", "-Wno-unused-const-variable"]
_OTHER = re.compile(r'^#include "(.+)" /\* as @(\w+) \*/$', re.MULTILINE)
_HOLE = re.compile(r"^#define \$(\w+)(?: ((?:.*\\\n)*.*))?\n", re.MULTILINE)


def alone(path: Path, prefix: str = "ew") -> str:
    """Return a file with its own values in the holes, a prefix, and in it those that it includes with another one."""
    text = path.read_text()
    values = {hole: value.replace("\\\n", "\n") for hole, value in _HOLE.findall(text)}
    text = string.Template(_HOLE.sub("", text)).substitute(values)
    text = _OTHER.sub(lambda include: alone(path.parent / include[1], prefix + include[2]), text)
    return text.replace("@@", prefix.upper()).replace("@", prefix)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = tmp_path_factory.mktemp("fixed")
    for path in FILES:
        (named / path.relative_to(EXPORT)).parent.mkdir(exist_ok=True)
        (named / path.relative_to(EXPORT)).write_text(text := alone(path))
        # What is written is included by its written name.
        for header in re.findall(r'^#include "(ew.*)"', text, re.M):
            (named / path.relative_to(EXPORT)).with_name(header).touch()
    return named


SUBJECTS = sorted({path.parent.name for path in FILES})


# The tests in C below are compiled by gcc with the same warnings.
@pytest.mark.parametrize("compiler", [pytest.param("gcc", marks=pytest.mark.slow), "clang"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_file_compiles_alone_without_a_warning(subject: str, compiler: str, folder: Path) -> None:
    if shutil.which(compiler) is None:
        left_out(f"{compiler} is absent")
    headers = f"-I{folder / 'c99_stream'}"
    files = sorted(path.name for path in (folder / subject).glob("*.c"))
    command = [compiler, "-std=c99", *WARNINGS, *UNUSED, headers, "-fsyntax-only", *files]
    completed = subprocess.run(command, cwd=folder / subject, capture_output=True, text=True, check=False)
    assert not completed.returncode, completed.stderr


@pytest.mark.parametrize("subject", SUBJECTS)
def test_cppcheck_says_nothing(subject: str, folder: Path) -> None:
    if shutil.which("cppcheck") is None:
        left_out("cppcheck is absent")
    command = ["cppcheck", "--std=c99", "--enable=warning,performance,portability", "--quiet", "-Ic99_stream", subject]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not completed.returncode and not completed.stderr, completed.stdout + completed.stderr


TESTS = sorted((Path(__file__).parent / "fixed_c").glob("test_*.c"))
# Memory, arithmetic and lines are watched; without the last flag, the compiler leaves out functions that nobody calls.
WATCHED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "--coverage", "-fkeep-static-functions"]
Calls = dict[tuple[str, str], int]


@pytest.fixture(scope="module")
def calls(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Calls]:
    """Return a function that runs a test in C, once, and counts the calls of each file's functions."""

    @cache
    def run(path: Path) -> Calls:
        need_sanitizers("gcc")
        if shutil.which("gcov") is None:
            left_out("gcov is absent")
        build = tmp_path_factory.mktemp(path.stem)
        headers = [f"-I{folder}", f"-I{path.parent}", f"-I{folder / 'c99_stream'}"]
        command = ["gcc", "-std=c99", *WARNINGS, *UNUSED, *WATCHED, *headers, str(path), "-o", "run", "-lm"]
        completed = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        assert not completed.returncode, completed.stderr
        completed = subprocess.run(["./run"], cwd=build, capture_output=True, text=True, check=False)
        assert not completed.returncode, completed.stdout + completed.stderr
        # Before gcc 11 the name of the program stands not in that of its counts.
        (counts,) = build.glob("*.gcda")
        command = ["gcov", "--json-format", "--stdout", counts.name]
        report = subprocess.run(command, cwd=build, capture_output=True, check=True).stdout
        return {
            (file["file"], function["name"]): function["execution_count"]
            for file in json.loads(report)["files"]
            for function in file["functions"]
        }

    return run


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_file_does_what_it_says(path: Path, calls: Callable[[Path], Calls]) -> None:
    assert calls(path)


# Probes and replays are what comparisons and proofs run, and constants have no function.
UNTESTED = ("probe_", "replay", "constants")
TESTED = [path for path in FILES if path.suffix == ".c" and not path.stem.startswith(UNTESTED)]


def includes(text: str, path: Path, folder: Path) -> bool:
    """Return whether a text of C includes a file, itself or by another one."""
    files = [folder / name for name in re.findall(r'^#include "(.+\.c)"', text, re.M)]
    return any(file == path or (file.exists() and includes(file.read_text(), path, file.parent)) for file in files)


@pytest.mark.parametrize("path", TESTED, ids=lambda path: path.stem)
def test_every_function_of_a_file_is_called_by_a_test(path: Path, folder: Path, calls: Callable[[Path], Calls]) -> None:
    written = folder / path.relative_to(EXPORT)
    counted: Counter[str] = Counter()
    for test in TESTS:
        if includes(test.read_text(), written, folder):
            counts = calls(test)
            counted.update({name: count for (file, name), count in counts.items() if file == str(written)})
    assert counted, f"no test of tests/unit/fixed_c includes {path.parent.name}/{path.name}"
    assert not [name for name, count in counted.items() if not count]


def test_a_condition_of_the_writer_is_decided_and_another_stays() -> None:
    text = "#if $a > 1 && !$b\nx\n#elif $c || $b\ny\n#ifdef Z\nz\n#else\nq\n#endif\n#else\nw\n#endif\nend $a"
    assert filled(text, a=2, b=0, c=0) == "x\nend 2"
    assert filled(text, a=2, b=1, c=0) == "y\n#ifdef Z\nz\n#else\nq\n#endif\nend 2"
    assert filled(text, a=1, b=False, c=0) == "w\nend 1"
    with pytest.raises(ValueError, match="cannot decide"):
        filled("#if $a + 1\n#endif", a=1)


def test_parts_are_what_stands_between_the_marks(tmp_path: Path) -> None:
    first, second = "/* block first */\nint @_a = $n;\n\nint b;", "/* lines second */\nint d;\n"
    (tmp_path / "x.c").write_text("\n\n".join(["#define $n 3", first, "/* alone */\nint c;", second]))
    named = parts(str(tmp_path / "x.py"), "x.c")
    assert named == {"first": "int @_a = $n;\n\nint b;", "second": "int d;\n"}
    assert filled(named["first"], n=7) == "int @_a = 7;\n\nint b;"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_part_has_a_module_that_writes_it(path: Path) -> None:
    modules = "".join(module.read_text() for module in path.parent.glob("*.py"))
    assert f'"{path.name}"' in modules
    for name in parts(str(path), path.name):
        assert re.search(rf"[\"']{name}[\"']", modules), name
