"""Says which functions of the package each test enters, in whatever process, by a line that says so in each function.

What the tests of a file enter is kept in .venv/.reach until the text of the file changes.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tools.affected import PACKAGE, ROOT
from tools.forked_tests import run_tests

KEPT = ROOT / ".venv" / ".reach"
# A module of the copy. Functions call `say` when they are entered first in a test; all processes append to a file.
# While modules are imported and fixtures of several tests are set up there is no test.
_PROBE = """
import builtins, os
entered = builtins._edgewright_entered = bytearray(COUNT)


def say(number):
    entered[number] = 1
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    file = os.open(HITS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{number} {test}\\n".encode())
    os.close(file)


builtins._edgewright_say = say
"""


@dataclass(frozen=True)
class Reached:
    """A test that enters a function.

    Attributes:
        test: its name for pytest.
        seconds: that it took.
    """

    test: str
    seconds: float


@dataclass(frozen=True)
class FileReach:
    """What tests of a file enter.

    Attributes:
        commit: of the code that they entered.
        cpu_s: seconds of processor time that they took, with the lines that say so.
        seconds: that each test took which passed.
        entered: tests by the function; none where all of them do.
    """

    commit: str
    cpu_s: float
    seconds: dict[str, float]
    entered: dict[str, list[str]]

    def tests(self, function: str) -> list[Reached]:
        """Return the tests that enter a function."""
        if function not in self.entered:
            return []
        return [Reached(test, self.seconds[test]) for test in self.entered[function] or self.seconds]


class Reach:
    """What tests enter, by a copy of the repository of which each function says that it is entered.

    Args:
        copy: becomes that copy.
        commit: of the copy.
    """

    def __init__(self, copy: Path, commit: str) -> None:
        self._copy, self._commit, self._hits = copy, commit, copy.parent / "hits"
        self._functions: list[str] = []
        self._read: dict[Path, FileReach] = {}
        for path in sorted((copy / "src" / PACKAGE).rglob("*.py")):
            text, functions = with_probes(path.read_bytes(), len(self._functions))
            path.write_bytes(text)
            self._functions += [f"{path.relative_to(copy)}:{function}" for function in functions]
        probe = _PROBE.replace("HITS", repr(str(self._hits))).replace("COUNT", str(len(self._functions)))
        (copy / "src" / PACKAGE / "_reached.py").write_text(probe, "utf-8")
        package = copy / "src" / PACKAGE / "__init__.py"
        first = b"from __future__ import annotations\n"
        assert first in package.read_bytes()  # noqa: S101 - of our own code
        package.write_bytes(package.read_bytes().replace(first, first + b"import edgewright._reached\n", 1))

    def of(self, file: str, mark: str, seconds: float) -> FileReach:
        """Return what the marked tests of a file enter; of a file that takes longer, what those did that ended."""
        kept = kept_path(self._copy / file, mark)
        if kept in self._read:
            return self._read[kept]
        if kept.exists():
            return self._read.setdefault(kept, FileReach(**json.loads(kept.read_text("utf-8"))))
        reach = self._run(file, mark, seconds)
        KEPT.mkdir(exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(reach.__dict__), "utf-8")
        part.replace(kept)
        return reach

    def _run(self, file: str, mark: str, seconds: float) -> FileReach:
        ended = self._copy.parent / "ended"
        ended.write_bytes(b"")
        self._hits.write_bytes(b"")
        outcome = run_tests(self._copy, ["-m", mark, file], seconds, _Recorder(ended))
        took: dict[str, float] = {}
        for line in ended.read_text("utf-8").splitlines():
            second, _, test = line.partition(" ")
            took[test] = float(second)
        entered: dict[str, set[str]] = defaultdict(set)
        everywhere = set()
        for line in self._hits.read_text("utf-8").splitlines():
            number, _, test = line.partition(" ")
            function = self._functions[int(number)]
            entered[function] |= {test} & took.keys()
            everywhere |= {function} if not test else set()
        tests = {name: [] if name in everywhere else sorted(tests) for name, tests in entered.items()}
        tests = {name: which for name, which in tests.items() if which or name in everywhere}
        return FileReach(self._commit, round(outcome.cpu_s, 2), took, tests)


def kept_path(file: Path, mark: str) -> Path:
    """Return where it is kept what the marked tests of a file enter."""
    return KEPT / f"{hashlib.sha256(file.read_bytes() + mark.encode()).hexdigest()[:32]}.json"


class _Recorder:
    """Writes which tests passed, and forgets what was entered between them.

    Args:
        ended: file of seconds and names.
    """

    def __init__(self, ended: Path) -> None:
        self._ended = ended
        self._seconds = 0.0
        self._passed = True

    def pytest_runtest_logstart(self) -> None:
        """Begin a test."""
        self._seconds, self._passed = 0.0, True
        _forget()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a step of a test."""
        self._seconds += report.duration
        self._passed &= report.passed
        if report.when == "teardown" and self._passed:
            with self._ended.open("a", encoding="utf-8") as file:
                file.write(f"{self._seconds:.3f} {report.nodeid}\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Set up a fixture; what one of several tests enters, each of them enters."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "")
        if fixturedef.scope == "function" or not test:
            return (yield)
        _forget()
        os.environ["PYTEST_CURRENT_TEST"] = ""
        try:
            return (yield)
        finally:
            os.environ["PYTEST_CURRENT_TEST"] = test
            _forget()


def _forget() -> None:
    entered = getattr(builtins, "_edgewright_entered", bytearray())
    entered[:] = bytes(len(entered))


def with_probes(text: bytes, number: int) -> tuple[bytes, list[str]]:
    """Return a module whose functions say their numbers when they are entered, and their names in that order."""
    lines = text.splitlines(keepends=True)
    names: list[str] = []
    probes: list[tuple[int, int]] = []
    for name, function in functions_of(ast.parse(text)):
        first = next((node for node in function.body if not _is_constant(node)), None)
        if first is not None:
            line = min([first.lineno, *(node.lineno for node in getattr(first, "decorator_list", ()))])
            probes.append((line, number + len(names)))
            names.append(name)
    for line, mine in sorted(probes, reverse=True):
        blank = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        lines.insert(line - 1, blank + f"_edgewright_entered[{mine}] or _edgewright_say({mine})\n".encode())
    return b"".join(lines), names


def functions_of(tree: ast.AST, prefix: str = "") -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return functions with their names, those of classes and within functions too."""
    functions = []
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}".lstrip(".")
            if not isinstance(node, ast.ClassDef):
                functions.append((name, node))
        functions += functions_of(node, name)
    return functions


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
