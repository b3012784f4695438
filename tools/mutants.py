"""Changes code in one place at a time and runs the tests that reach it: what they do not notice, no test holds.

Usage: python tools/mutants.py [--count 300] [--seed 0] [--minutes 600] [--room NAME] [--near 0] [--slow 2]

Places are drawn over all rooms. First all fast tests run once, or with --near the nearest ones, and say which of them
enter a changed function, in whatever process. Where none of them notices the change, the slow tests of the --slow
nearest files run. A change that no test notices is printed with its place. The table has the share that was noticed in
each room and in all, with the largest share that chance leaves possible. It works on copies of the last commit; the
exit status is 1 where even that largest share is less than is asked for.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.affected import PACKAGE, ROOT, ImportGraph

# Tests of a change at most, and seconds that they may take together.
TESTS, SECONDS = 200, 60.0
# Seconds that slow tests of a change may take together.
SLOW_SECONDS = 300.0
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
# Exit status of tests that passed, or of none that were chosen.
PASSED = (0, 5)
# A module of the copy: what changed functions say, once a test and process, to a file that all processes append to.
# While modules are imported they say it without a test.
PROBE = """
import os
seen = set()


def say(numbers):
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    for number in numbers:
        if (number, test) not in seen:
            seen.add((number, test))
            with open(HITS, "a", encoding="utf-8") as file:
                file.write(f"{number} {test}\\n")
"""


@dataclass(frozen=True, order=True)
class Change:
    """One change of a module's text.

    Attributes:
        start: byte at which the changed expression begins.
        end: byte behind it.
        line: of its beginning.
        before: the expression.
        after: what stands there instead.
    """

    start: int
    end: int
    line: int
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
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in (node for statement in function.body for node in _expressions(statement)):
            assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101 - of parsed text
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            after = _changed(node)
            if after:
                mutations.add(Change(start, end, node.lineno, data[start:end].decode(), after))
    return sorted(mutations)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield expressions below a node, except what changes nothing: annotations, texts and patterns."""
    if isinstance(node, ast.JoinedStr | ast.pattern):
        return
    if isinstance(node, ast.expr):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _expressions(child)


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


def sample(graph: ImportGraph, count: int, seed: str, room: str = "") -> list[Mutant]:
    """Return mutants of all rooms or of one, drawn in proportion to the places that can be changed."""
    every = [
        Mutant(path.relative_to(ROOT), change)
        for name, path in sorted(graph.modules.items())
        if name.startswith(f"{PACKAGE}.{room}")
        for change in changes(path.read_text("utf-8"))
    ]
    rng = random.Random(seed)  # noqa: S311 - nobody guards anything with it
    return rng.sample(every, min(count, len(every)))


@dataclass(frozen=True)
class Reached:
    """A fast test that enters a changed function.

    Attributes:
        test: its name for pytest.
        seconds: that it took.
    """

    test: str
    seconds: float


class Copies:
    """Copies of the last commit in which tests run.

    Args:
        folder: for the copies.
        count: how many run at once.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        for number in range(count):
            copy = folder / str(number) / "main"
            subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--detach", "-q", str(copy)], check=True)
            (copy.parent / "shared").symlink_to(ROOT.parent / "shared")
            self._free.put(copy)

    def remove(self) -> None:
        """Remove the copies."""
        while not self._free.empty():
            copy = self._free.get()
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(copy)], check=True)

    def reached(
        self, mutants: Sequence[Mutant], far: Sequence[Mapping[str, int]], files: Sequence[str], jobs: int
    ) -> list[list[Reached]]:
        """Return which fast tests enter the function of each mutant, by a line that says so in each of them.

        Args:
            mutants: changes.
            far: distance of files of tests from each.
            files: of tests that run; all where it is empty.
            jobs: workers.
        """
        copy = self._free.get()
        hits, report = copy.parent / "hits", copy.parent / "report.xml"
        (copy / "src" / PACKAGE / "_reached.py").write_text(PROBE.replace("HITS", repr(str(hits))), "utf-8")
        texts = {mutant.path: (copy / mutant.path).read_bytes() for mutant in mutants}
        for path, text in texts.items():
            numbers = [(number, mutant.change) for number, mutant in enumerate(mutants) if mutant.path == path]
            (copy / path).write_bytes(with_probes(text, numbers))
        hits.touch()
        words = ["-n", str(jobs), "--dist", "worksteal", f"--junitxml={report}", "-o", "junit_family=xunit1", *files]
        try:
            _run(copy, words, 3600)
        finally:
            for path, text in texts.items():
                (copy / path).write_bytes(text)
            (copy / "src" / PACKAGE / "_reached.py").unlink()
            self._free.put(copy)
        seconds = {
            f"{case.get('file')}::{case.get('name')}": float(case.get("time", 0))
            for case in ElementTree.parse(report).iter("testcase")  # noqa: S314 - our own pytest wrote it
            if not len(case)
        }
        reached: list[set[str]] = [set() for _ in mutants]
        for line in hits.read_text("utf-8").splitlines():
            number, _, test = line.partition(" ")
            reached[int(number)].add(test)
        for tests, distances in zip(reached, far, strict=True):
            if "" in tests:
                tests |= {test for test in seconds if test.partition("::")[0] in distances}
        return [
            nearest([Reached(test, seconds[test]) for test in tests if test in seconds], distances)
            for tests, distances in zip(reached, far, strict=True)
        ]

    def notices(self, mutant: Mutant, tests: Sequence[Reached]) -> bool:
        """Return whether one of the tests fails with the change, or does not end."""
        words = ["-x", *(test.test for test in tests)]
        with self._changed(mutant) as copy:
            return _run(copy, words, 3 * sum(test.seconds for test in tests) + 60) not in PASSED

    def notices_slowly(self, mutant: Mutant, files: Sequence[str]) -> bool:
        """Return whether a slow test of one of the files fails with the change and not without it."""
        if not files:
            return False
        with self._changed(mutant) as copy:
            if _run(copy, ["-x", *files], SLOW_SECONDS, SLOW) in (*PASSED, None):
                return False
        copy = self._free.get()
        try:
            return _run(copy, ["-x", *files], SLOW_SECONDS, SLOW) in PASSED
        finally:
            self._free.put(copy)

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[Path]:
        """Provide a copy with the change."""
        copy = self._free.get()
        module = copy / mutant.path
        original = module.read_bytes()
        module.write_bytes(mutant.text(original))
        try:
            yield copy
        finally:
            module.write_bytes(original)
            self._free.put(copy)


def with_probes(text: bytes, changes: Sequence[tuple[int, Change]]) -> bytes:
    """Return a module whose functions with a change say its number when they are entered."""
    lines = text.splitlines(keepends=True)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    probes: dict[int, list[int]] = {}
    for number, change in changes:
        around = [node for node in functions if node.body[0].lineno <= change.line <= (node.end_lineno or 0)]
        function = max(around, key=lambda node: node.lineno)
        first = next((node for node in function.body if not _is_text(node)), function.body[0])
        line = min([first.lineno, *(node.lineno for node in getattr(first, "decorator_list", ()))])
        probes.setdefault(line, []).append(number)
    for line, numbers in sorted(probes.items(), reverse=True):
        blank = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        says = f"__import__('{PACKAGE}._reached', fromlist=['say']).say({numbers})\n"
        lines.insert(line - 1, blank + says.encode())
    return b"".join(lines)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def nearest(tests: Sequence[Reached], far: Mapping[str, int]) -> list[Reached]:
    """Return tests that run together in SECONDS: of near files first, one case of each function before a second.

    Args:
        tests: that enter the function.
        far: distance of files of tests from the change; those without one come last.
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
        if len(kept) < TESTS and total + test.seconds <= SECONDS:
            kept.append(test)
            total += test.seconds
    return kept


def _run(copy: Path, words: Sequence[str], seconds: float, mark: str = FAST) -> int | None:
    """Run marked tests of a copy and return the exit status; None where they take longer."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", mark, *words]
    with subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # A change may leave workers and servers behind.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def main() -> int:
    """Draw, try and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="changes")
    parser.add_argument("--seed", default="0", help="any text, by which places are drawn")
    parser.add_argument("--minutes", type=float, default=600, help="after which no further change is begun")
    parser.add_argument("--room", default="", help="only modules of this room")
    parser.add_argument("--near", type=int, default=0, help="only so many files of tests for each change, the nearest")
    parser.add_argument("--slow", type=int, default=2, help="files of slow tests, where no fast test notices a change")
    parser.add_argument(
        "--asked", type=float, default=0.0, help="share of all; 0.85, and 0.75 of each room, without it"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    given = parser.parse_args()
    graph = ImportGraph()
    mutants = sample(graph, given.count, given.seed, given.room)
    verdicts: list[tuple[Mutant, bool]] = []
    with_slow_tests = {str(path.relative_to(ROOT)) for path in graph.tests if "mark.slow" in path.read_text("utf-8")}

    with tempfile.TemporaryDirectory(prefix="edgewright-mutants-") as folder:
        copies = Copies(Path(folder), given.jobs)

        def attempt(mutant: Mutant, tests: list[Reached], distances: Mapping[str, int]) -> None:
            if time.monotonic() > until:
                return
            files = sorted(with_slow_tests & distances.keys(), key=lambda file: (distances[file], file))[: given.slow]
            noticed = (bool(tests) and copies.notices(mutant, tests)) or copies.notices_slowly(mutant, files)
            verdicts.append((mutant, noticed))
            if not noticed:
                change = mutant.change
                why = f"not noticed by {len(tests)} tests" if tests else "no fast test enters the function"
                why += f", nor by slow ones of {len(files)} files"
                print(f"{mutant.path}:{change.line}: {change.before} -> {change.after}: {why}", flush=True)

        try:
            far = [
                {str(path.relative_to(ROOT)): distance for path, distance in graph.distances([mutant.path]).items()}
                for mutant in mutants
            ]
            files = {file for near in far for file in sorted(near, key=lambda file: (near[file], file))[: given.near]}
            reached = copies.reached(mutants, far, sorted(files), given.jobs)
            until = time.monotonic() + 60 * given.minutes
            with ThreadPoolExecutor(given.jobs) as pool:
                list(pool.map(attempt, mutants, reached, far))
        finally:
            copies.remove()
    return _table(verdicts, given.asked)


def _table(verdicts: list[tuple[Mutant, bool]], required: float) -> int:
    status = 0
    for room in ["", *(() if required else sorted({mutant.room for mutant, _ in verdicts}))]:
        mine = [noticed for mutant, noticed in verdicts if room in ("", mutant.room)]
        share, wanted = sum(mine) / max(1, len(mine)), WANTED_OF_A_ROOM if room else required or WANTED
        largest = largest_share(sum(mine), len(mine))
        status |= largest < wanted
        figures = f"{sum(mine):>5} of {len(mine):>4} noticed: {share:.2f}, at most {largest:.2f}; {wanted} asked for"
        print(f"{room or 'all':<14}{figures}")
    return status


def largest_share(noticed: int, count: int) -> float:
    """Return the upper end of Wilson's interval of 99.8 %: three standard errors."""
    if not count:
        return 1.0
    share, errors = noticed / count, 3.0
    centre = share + errors**2 / (2 * count)
    spread = errors * math.sqrt(share * (1 - share) / count + errors**2 / (4 * count**2))
    return (centre + spread) / (1 + errors**2 / count)


if __name__ == "__main__":
    sys.exit(main())
