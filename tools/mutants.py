"""Changes code in one expression at a time and runs the tests that reach it: what they do not notice, no test holds.

Usage: python tools/mutants.py [--count 300] [--seed 0] [--minutes 600] [--room NAME] [--near 0] [--slow 4]
       python tools/mutants.py --unreached [--room NAME] [--near 0]

Expressions are drawn over all rooms, without those of which another has no effect (`WITHOUT_EFFECT` and the names
above it). Fast tests run once, with --near the nearest files of them alone, and say which functions each enters, in
whatever process; that is kept (`tools/reach.py`). Of each change run the tests that enter its function, the nearest
first. Where none of them notices it, those slow tests of the --slow nearest files run that enter it. A change that no
test notices is printed. The table has the share that was noticed in each room and in all, with Wilson's interval of
95 %, and the largest share within three standard errors. Tests run on copies of the last commit; the exit status is 1
where even the largest share is less than is asked for.

With --unreached nothing is changed. Each room is listed with its expressions in functions that no fast test enters,
which slow tests alone can notice, and with --room each such function; with --near only from what is kept already.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import math
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.affected import PACKAGE, ROOT, ImportGraph
from tools.forked_tests import load_libraries, run_tests
from tools.reach import FileReach, Reach, Reached, functions_of, kept_path

# Tests of a change at most, and seconds that they may take together; seconds of slow ones.
TESTS, SECONDS, SLOW_SECONDS = 200, 60.0, 120.0
# Seconds in which tests of a file say what they enter.
FILE_SECONDS = 300.0
# Files of tests that run before those of the others are loaded: the nearest, and wider circles around them.
NEAREST, WIDER = 2, (8, 32)
# Marks of the tests.
FAST, SLOW = "not slow and not heavy", "slow and not heavy"
# Shares that tests have to notice, of all changes and of those in a room.
WANTED, WANTED_OF_A_ROOM = 0.85, 0.75
COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
# Arguments by name that decide how fast, how long or how much at once, or that only assert (`zip(strict=True)`).
KEYWORDS = {"buffering", "chunksize", "copy", "daemon", "flush", "maxsize", "stacklevel", "strict", "timeout"}
# Functions whose arguments are seconds to wait, and those whose arguments are text for developers.
WAITS = {"join", "poll", "settimeout", "sleep", "wait"}
LOGS = {"debug", "info", "warn", "warning"}
# Functions whose result is for developers, or may be any number.
DESCRIPTIONS = {"__hash__", "__repr__"}
# A power of two that is an argument and no less than this is the size of a block: one more is as good.
BLOCK = 512
# Exit status of tests that passed, or of none that were chosen.
PASSED = (0, 5)


@dataclass(frozen=True, order=True)
class Change:
    """One change of a module's text.

    Attributes:
        start: byte at which the changed expression begins.
        end: byte behind it.
        line: of its beginning.
        function: in which it stands.
        before: the expression.
        after: what stands there instead.
    """

    start: int
    end: int
    line: int
    function: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """A change of a module.

    Attributes:
        path: of the module, below the repository.
        change: of its text.
    """

    path: Path
    change: Change

    @property
    def function(self) -> str:
        """The function in which it stands, as `Reach` names it."""
        return f"{self.path}:{self.change.function}"

    @property
    def room(self) -> str:
        """The room that the module stands in."""
        return self.path.parts[2]

    def text(self, original: bytes) -> bytes:
        """Return the module with the change."""
        return original[: self.change.start] + self.change.after.encode() + original[self.change.end :]


def changes(text: str) -> list[Change]:
    """Return every change of a module: each is of one expression inside of a function."""
    data = text.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    mutations: set[Change] = set()
    tree = ast.parse(text)
    for name, function in functions_of(tree):
        if function.name in DESCRIPTIONS:
            continue
        for node in (node for statement in function.body for node in _expressions(statement)):
            assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101 - of parsed text
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            after = _changed(node)
            if after:
                mutations.add(Change(start, end, node.lineno, name, data[start:end].decode(), after))
    return sorted(mutations)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield expressions below a node and within its function, except those of which another has no effect."""
    if isinstance(node, WITHOUT_EFFECT):
        return
    if isinstance(node, ast.If) and _keeps_the_greater(node):
        yield from (inner for child in (*node.body, *node.orelse) for inner in _expressions(child))
        return
    if isinstance(node, ast.expr) and not _is_moment(node):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (isinstance(node, ast.Call) and _without_effect(node, child)):
                yield from _expressions(child)


# Annotations, texts, patterns, what is true anyway, and functions within, which have their own name.
WITHOUT_EFFECT = (ast.JoinedStr, ast.pattern, ast.Assert, ast.FunctionDef, ast.AsyncFunctionDef)


def _without_effect(call: ast.Call, argument: ast.AST) -> bool:
    """Return whether an argument decides nothing that a test could see."""
    if argument is call.func:
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if isinstance(argument, ast.keyword):
        return argument.arg in KEYWORDS or _is_block(argument.value)
    return name in LOGS or (name in WAITS and isinstance(argument, ast.Constant)) or _is_block(argument)


def _is_block(node: ast.AST) -> bool:
    """Return whether an expression is a power of two, written as a number or a shift, of at least BLOCK."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
        parts = (node.left, node.right)
        left, right = (part.value if isinstance(part, ast.Constant) else 0 for part in parts)
        size = left << right if isinstance(left, int) and isinstance(right, int) else 0
    else:
        size = node.value if isinstance(node, ast.Constant) and type(node.value) is int else 0
    return size >= BLOCK and size & (size - 1) == 0


def _is_moment(node: ast.expr) -> bool:
    """Return whether an expression compares what a clock of `time` says: no test meets the very moment of a limit."""
    calls = (call.func for call in ast.walk(node) if isinstance(call, ast.Call))
    clocks = any(isinstance(call, ast.Attribute) and ast.unparse(call.value) == "time" for call in calls)
    return clocks and isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)


def _keeps_the_greater(node: ast.If) -> bool:
    """Return whether `if a > b: b = a` takes the greater or smaller of two: of equal ones either is right."""
    body, test = node.body, node.test
    if len(body) != 1 or not isinstance(body[0], ast.Assign) or not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    assigned = {ast.unparse(body[0].targets[0]), ast.unparse(body[0].value)}
    return assigned == {ast.unparse(test.left), ast.unparse(test.comparators[0])}


def _changed(node: ast.expr) -> str:
    """Return the code of another expression; nothing where this kind is not changed."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other: ast.expr = ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        other = ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        other = ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        other = node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        other = ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        other = ast.Constant(node.value + 1)
    else:
        return ""
    return f"({ast.unparse(other)})"


def expressions(graph: ImportGraph, room: str = "") -> list[Mutant]:
    """Return every mutant of all rooms or of one."""
    return [
        Mutant(path.relative_to(ROOT), change)
        for name, path in sorted(graph.modules.items())
        if name.startswith(f"{PACKAGE}.{room}")
        for change in changes(path.read_text("utf-8"))
    ]


def sample(graph: ImportGraph, count: int, seed: str, room: str = "") -> list[Mutant]:
    """Return mutants of all rooms or of one, drawn in proportion to the places that can be changed."""
    every = expressions(graph, room)
    rng = random.Random(seed)  # noqa: S311 - nobody guards anything with it
    return rng.sample(every, min(count, len(every)))


def unreached(graph: ImportGraph, reaches: Iterable[FileReach], room: str) -> dict[str, Counter[str]]:
    """Return the expressions that can be changed by room: by function that no test enters, and all under ''.

    Args:
        graph: of the modules.
        reaches: what tests enter.
        room: only this; all of them when empty.
    """
    entered = {function for reach in reaches for function in reach.entered}
    rooms: dict[str, Counter[str]] = {}
    for mutant in expressions(graph, room):
        counts = rooms.setdefault(mutant.room, Counter())
        counts[""] += 1
        counts[mutant.function] += mutant.function not in entered
    return rooms


class Judge:
    """Runs tests with a change, in copies of the last commit.

    Attributes:
        copy: that a change is made in.

    Args:
        folder: for the copies.
    """

    def __init__(self, folder: Path) -> None:
        self._commit = _git("rev-parse", "HEAD")
        self.copy, probed = (folder / name / "main" for name in ("changed", "reach"))
        for copy in (self.copy, probed):
            _git("worktree", "add", "--detach", "-q", str(copy), self._commit)
            (copy.parent / "shared").symlink_to(ROOT.parent / "shared")
        self._reach = Reach(probed, self._commit)
        self._times = itertools.count(1)

    def reach(self, file: str, mark: str = FAST) -> FileReach:
        """Return what tests of a file enter."""
        return self._reach.of(file, mark, FILE_SECONDS)

    def verdict(self, mutant: Mutant, fast: Sequence[str], slow: Sequence[str]) -> Verdict:
        """Return whether a fast test or, where none does, a slow test notices a change.

        Args:
            mutant: the change.
            fast: files of fast tests, the nearest first.
            slow: files of slow tests, the nearest first.
        """
        counts = []
        for mark, files, seconds in ((FAST, fast, SECONDS), (SLOW, slow, SLOW_SECONDS)):
            count = 0
            # What far files enter is asked only where the near ones notice nothing.
            for start, end in itertools.pairwise((0, NEAREST, *WIDER, len(files))):
                reaches = {file: self.reach(file, mark) for file in files[start:end]}
                entering = [test for reach in reaches.values() for test in reach.tests(mutant.function)]
                tests = nearest(entering, {file: rank for rank, file in enumerate(files)}, seconds)
                kept = any(reach.commit != self._commit for reach in reaches.values())
                test = self.notices(mutant, tests, sure=not kept) if tests else ""
                if test:
                    return Verdict(mutant, test, "")
                count, seconds = count + len(tests), seconds - sum(test.seconds for test in tests)
            counts.append(f"{count} {'fast' if mark == FAST else 'slow'} tests")
        return Verdict(mutant, "", " and ".join(counts))

    def notices(self, mutant: Mutant, tests: Sequence[Reached], sure: bool) -> str:
        """Return the test that fails with the change, or does not end; nothing where none does.

        Args:
            mutant: the change.
            tests: in the order in which they run.
            sure: that they pass without it, which otherwise the one that fails has to.
        """
        failed = self.copy.parent / "failed"
        words = [test.test for test in tests]
        seconds = 3 * sum(test.seconds for test in tests) + 60
        failed.write_bytes(b"")
        with self._changed(mutant):
            if run_tests(self.copy, ["-x", "-m", "", *words], seconds, _Failure(failed)).status in PASSED:
                return ""
        name = failed.read_text("utf-8")
        again = [name] if name in words else words
        if not sure and run_tests(self.copy, ["-x", "-m", "", *again], seconds).status not in PASSED:
            return ""
        return name or "did not end"

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        """Provide the copy with the change."""
        module = self.copy / mutant.path
        original, time_ns = module.read_bytes(), module.stat().st_mtime_ns
        module.write_bytes(mutant.text(original))
        # Bytecode is known by the second and the size of the module: each text has a second of its own.
        second = time_ns + next(self._times) * 10**9
        os.utime(module, ns=(second, second))
        try:
            yield
        finally:
            module.write_bytes(original)
            os.utime(module, ns=(time_ns, time_ns))


class _Failure:
    """Writes the name of the test that failed.

    Args:
        file: for the name.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a step of a test."""
        if report.failed:
            self._file.write_text(report.nodeid, "utf-8")


@dataclass(frozen=True)
class Verdict:
    """Whether tests notice a change.

    Attributes:
        mutant: the change.
        test: that notices it; empty where none does.
        survived: the numbers of tests that did not.
    """

    mutant: Mutant
    test: str
    survived: str


def nearest(tests: Sequence[Reached], far: Mapping[str, int], seconds: float) -> list[Reached]:
    """Return tests that run together in some seconds: of near files first, one case of each function before a second.

    Args:
        tests: that enter the function.
        far: distance of files of tests from the change; those without one come last.
        seconds: that they may take.
    """
    order: list[tuple[tuple[float, int, float], Reached]] = []
    cases: Counter[str] = Counter()
    for test in sorted(tests, key=lambda test: (test.seconds, test.test)):
        function = test.test.partition("[")[0]
        distance = far.get(test.test.partition("::")[0], math.inf)
        order.append(((distance, cases[function], test.seconds), test))
        cases[function] += 1
    total, kept = 0.0, list[Reached]()
    for _, test in sorted(order, key=lambda entry: entry[0]):
        if len(kept) < TESTS and total + test.seconds <= seconds:
            kept.append(test)
            total += test.seconds
    return kept


def in_turns(module: Path, distances: Mapping[str, int]) -> list[str]:
    """Return files of tests: the nearest by imports and those whose name has words of the module's path, in turns.

    Args:
        module: that changes.
        distances: of files of tests that depend on it.
    """
    words = set(re.findall(r"[a-z0-9]+", str(module)))
    by_imports = sorted(distances, key=lambda file: (distances[file], file))
    shared = {file: len(words & set(re.findall(r"[a-z0-9]+", Path(file).stem))) for file in distances}
    by_words = sorted(distances, key=lambda file: (-shared[file], distances[file], file))
    return list(dict.fromkeys(itertools.chain.from_iterable(zip(by_imports, by_words, strict=True))))


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


# That of a worker.
_judges: list[Judge] = []


def _begin(folder: str) -> None:
    _judges.append(Judge(Path(folder) / str(os.getpid())))


def _reach_of(file: str) -> FileReach:
    return _judges[0].reach(file)


def _verdict(work: tuple[Mutant, list[str], list[str], float]) -> Verdict | None:
    mutant, fast, slow, until = work
    return None if time.monotonic() > until else _judges[0].verdict(mutant, fast, slow)


def main() -> int:
    """Draw, try and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="changes")
    parser.add_argument("--seed", default="0", help="any text, by which expressions are drawn")
    parser.add_argument("--minutes", type=float, default=600, help="after which no further change is begun")
    parser.add_argument("--room", default="", help="only modules of this room")
    parser.add_argument(
        "--near", type=int, default=0, help="only so many files of tests for each change, the nearest, and those kept"
    )
    parser.add_argument("--slow", type=int, default=4, help="files of slow tests, where no fast test notices a change")
    parser.add_argument(
        "--asked", type=float, default=0.0, help="share of all; 0.85, and 0.75 of each room, without it"
    )
    parser.add_argument("--unreached", action="store_true", help="list functions that no fast test enters")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    given = parser.parse_args()
    graph = ImportGraph()
    mutants = sample(graph, 0 if given.unreached else given.count, given.seed, given.room)
    every = [str(path.relative_to(ROOT)) for path in graph.tests]
    with_slow_tests = {file for file in every if "mark.slow" in (ROOT / file).read_text("utf-8")}
    kept = {file for file in every if kept_path(ROOT / file, FAST).exists()}
    until = time.monotonic() + 60 * given.minutes
    work = []
    for mutant in mutants:
        distances = {str(path.relative_to(ROOT)): far for path, far in graph.distances([mutant.path]).items()}
        near = in_turns(mutant.path, distances)
        all_of_them = list(dict.fromkeys([*near, *every]))
        fast = [*near[: given.near], *(file for file in all_of_them if file in kept)] if given.near else all_of_them
        fast = list(dict.fromkeys(fast))
        slow = [file for file in near if file in with_slow_tests][: given.slow]
        work.append((mutant, fast, slow, until))
    load_libraries()
    os.environ.setdefault("EDGEWRIGHT_COMPILED", str(ROOT / ".venv" / ".compiled"))
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="edgewright-mutants-") as folder:
        try:
            with multiprocessing.get_context("fork").Pool(given.jobs, _begin, [folder]) as pool:
                if given.unreached:
                    reaches = pool.map(_reach_of, every if not given.near else sorted(kept), chunksize=1)
                    _list(unreached(graph, reaches, given.room), len(reaches), len(every))
                    return 0
                if not given.near:
                    pool.map(_reach_of, every, chunksize=1)
                for verdict in pool.imap_unordered(_verdict, work):
                    if verdict is None:
                        continue
                    verdicts.append(verdict)
                    mutant, change = verdict.mutant, verdict.mutant.change
                    if not verdict.test:
                        where = f"{mutant.path}:{change.line}: {change.function}"
                        print(
                            f"{where}: {change.before} -> {change.after}: not noticed by {verdict.survived}", flush=True
                        )
        finally:
            for copy in Path(folder).glob("*/*/main"):
                _git("worktree", "remove", "--force", str(copy))
    return _table(verdicts, given.asked)


def _list(rooms: Mapping[str, Counter[str]], files: int, known: int) -> None:
    print(f"Expressions in functions that no fast test of {files} of {known} files enters:")
    for room, counts in sorted(rooms.items()):
        every = counts.pop("")
        share = counts.total() / every
        print(f"{room:<14}{counts.total():>6} of {every:>6}: {share:.2f}")
        for function, count in counts.most_common() if len(rooms) == 1 else ():
            if count:
                print(f"{count:>20} {function}")


def _table(verdicts: list[Verdict], required: float) -> int:
    status = 0
    for room in ["", *(() if required else sorted({verdict.mutant.room for verdict in verdicts}))]:
        mine = [bool(verdict.test) for verdict in verdicts if room in ("", verdict.mutant.room)]
        share, wanted = sum(mine) / max(1, len(mine)), WANTED_OF_A_ROOM if room else required or WANTED
        low, high = interval(sum(mine), len(mine), 1.96)
        largest = interval(sum(mine), len(mine), 3.0)[1]
        status |= largest < wanted
        figures = f"{sum(mine):>5} of {len(mine):>4} noticed: {share:.2f} ({low:.2f} to {high:.2f})"
        print(f"{room or 'all':<14}{figures}, at most {largest:.2f}; {wanted} asked for")
    return status


def interval(noticed: int, count: int, errors: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, of so many standard errors."""
    if not count:
        return 0.0, 1.0
    share = noticed / count
    centre = share + errors**2 / (2 * count)
    spread = errors * math.sqrt(share * (1 - share) / count + errors**2 / (4 * count**2))
    return (centre - spread) / (1 + errors**2 / count), (centre + spread) / (1 + errors**2 / count)


if __name__ == "__main__":
    sys.exit(main())
