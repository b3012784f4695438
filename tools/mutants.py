"""Changes code in one place at a time and runs the nearest fast tests: what they do not notice, no test holds.

Usage: python tools/mutants.py [--count 300] [--seed 0] [--minutes 600] [--room NAME] [--jobs 2]

Places are drawn over all rooms. A change that no test notices is printed with its place. The table has the share that
was noticed in each room and in all. It works on copies of the last commit; the exit status is 1 where less was noticed
than is asked for.
"""

from __future__ import annotations

import argparse
import ast
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.affected import PACKAGE, ROOT, ImportGraph

# Test files of a change at most, nearest first; seconds that they may take together, and that one alone may.
FILES, SECONDS, ALONE = 10, 60.0, 120.0
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
    found: set[Change] = set()
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in (node for statement in function.body for node in _expressions(statement)):
            assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101 - of parsed text
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            after = _changed(node)
            if after:
                found.add(Change(start, end, node.lineno, data[start:end].decode(), after))
    return sorted(found)


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


def drawn(graph: ImportGraph, count: int, seed: int, room: str = "") -> list[Mutant]:
    """Return mutants of all rooms or of one, drawn in proportion to the places that can be changed."""
    every = [
        Mutant(path.relative_to(ROOT), change)
        for name, path in sorted(graph.modules.items())
        if name.startswith(f"{PACKAGE}.{room}")
        for change in changes(path.read_text("utf-8"))
    ]
    rng = random.Random(seed)  # noqa: S311 - nobody guards anything with it
    return rng.sample(every, min(count, len(every)))


class Copies:
    """Copies of the last commit in which tests run, and what each file of tests takes there.

    Args:
        folder: for the copies.
        count: how many run at once.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        self._taken: dict[Path, float] = {}
        self._lock = threading.Lock()
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

    def notices(self, mutant: Mutant, tests: list[Path]) -> bool | None:
        """Return whether a test fails with the change; None where no fast test is near."""
        copy = self._free.get()
        try:
            chosen: list[Path] = []
            total = 0.0
            for test in tests:
                seconds = self._seconds(copy, test)
                if seconds and total + seconds <= SECONDS and len(chosen) < FILES:
                    chosen.append(test)
                    total += seconds
            if not chosen:
                return None
            module = copy / mutant.path
            original = module.read_bytes()
            module.write_bytes(mutant.text(original))
            try:
                return _run(copy, chosen, 3 * total + 30) != 0
            finally:
                module.write_bytes(original)
        finally:
            self._free.put(copy)

    def _seconds(self, copy: Path, test: Path) -> float:
        """Return what the fast tests of a file take; 0 where there are none, or they fail as it is."""
        with self._lock:
            known = self._taken.get(test)
        if known is None:
            begun = time.monotonic()
            known = time.monotonic() - begun if _run(copy, [test], ALONE) == 0 else 0.0
            with self._lock:
                self._taken[test] = known
        return known


def _run(copy: Path, tests: list[Path], seconds: float) -> int:
    """Run fast tests of a copy and return the exit status; 1 where they take longer."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow and not heavy", *map(str, tests)]
    try:
        done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


def main() -> int:
    """Draw, try and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="changes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600, help="after which no further change is begun")
    parser.add_argument("--room", default="", help="only modules of this room")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    given = parser.parse_args()
    graph, until = ImportGraph(), time.monotonic() + 60 * given.minutes
    mutants = drawn(graph, given.count, given.seed, given.room)
    verdicts: list[tuple[Mutant, bool | None]] = []

    with tempfile.TemporaryDirectory(prefix="edgewright-mutants-") as folder:
        copies = Copies(Path(folder), given.jobs)

        def tried(mutant: Mutant) -> None:
            if time.monotonic() > until:
                return
            far = graph.distances([mutant.path])
            tests = [path.relative_to(ROOT) for path in sorted(far, key=lambda path: (far[path], path))]
            noticed = copies.notices(mutant, tests)
            verdicts.append((mutant, noticed))
            if not noticed:
                change = mutant.change
                why = "no fast test is near" if noticed is None else "not noticed"
                print(f"{mutant.path}:{change.line}: {change.before} -> {change.after}: {why}", flush=True)

        try:
            with ThreadPoolExecutor(given.jobs) as pool:
                list(pool.map(tried, mutants))
        finally:
            copies.remove()
    return _table(verdicts)


def _table(verdicts: list[tuple[Mutant, bool | None]]) -> int:
    status = 0
    for room in ["", *sorted({mutant.room for mutant, _ in verdicts})]:
        mine = [bool(noticed) for mutant, noticed in verdicts if room in ("", mutant.room)]
        share, wanted = sum(mine) / max(1, len(mine)), WANTED_OF_A_ROOM if room else WANTED
        status |= share < wanted
        print(f"{room or 'all':<14}{sum(mine):>5} of {len(mine):>4} noticed: {share:.2f}, {wanted} asked for")
    return status


if __name__ == "__main__":
    sys.exit(main())
