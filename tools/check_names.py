"""Checks every name that the code binds: no word of a story, and no word that says nothing of what it holds.

The words are those that the style of this project rules out. A wire name, a column of a database or a key of a table
that users write keeps its word: the field has a better name, and `msgspec.field(name=...)` says the word. In tests and
benchmarks, variables, arguments, functions and classes are checked; methods and fields of their classes are not.

Usage: python tools/check_names.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = frozenset(
    re.findall(
        r"\w+",
        """
        anew asked behind bringing choosing conducting counted crowding desk door ear gauged glancing guessed
        hand handing herald inside keeping later listening looking me moving noticing placed placing sameness
        sifting spreading standing stepped taking telling thinning ticking told voice waking watching wishes world worth
        """,
    )
)
CLASSES = frozenset(
    re.findall(
        r"\w+",
        """
        Asked Behind Counted Desk Door Glance Hand Held Herald Joining Judged Me Placed Said Stepped Taken Told Voice
        Wishes
        """,
    )
)
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        apart asked beside drawn found heard held judged least made most place said taken tell tells these told tried
        what
        """,
    )
)
# Where a class of such a name, and where a binding of such a word can stand: a file without one need not be parsed.
CLASS = re.compile(rf"\bclass\s+_*(?:{'|'.join(CLASSES)})\b")
BINDING = re.compile(
    rf"(?<![\w'\"`])_*(?:{'|'.join(WORDS)})_*(?=\s*(?:[]):,;=(+*/%&|^@<>}}#\\-]|\n|(?:in|if)\b|\Z))", re.IGNORECASE
)
KEPT = {
    ("src/edgewright/core/input/recordings.py", "_held"): "a key of the state that a device stores",
    ("src/edgewright/device/agent/stream_decisions.py", "_told"): "a key of the state that a device stores",
    ("src/edgewright/device/timeline.py", "_told"): "a key of the state that a device stores",
    ("src/edgewright/device/timeline.py", "_held"): "a key of the state that a device stores",
    ("src/edgewright/monitor/detectors/spectral_residual.py", "_held"): "a key of the state that a device stores",
    ("src/edgewright/core/state_machine/table.py", "FOUND"): "the event `found` of a dialogue table",
    (
        "src/edgewright/advice/figures.py",
        "most",
    ): "a key of the table of a radio, and of its figure `radio_most`",
}
"""Names that stay, with the reason, by file and name."""


def bindings(tree: ast.AST, *, members: bool = True) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module binds: definitions, variables, fields, aliases, captures.

    Args:
        tree: the module.
        members: whether methods, class attributes and attributes of objects count.
    """
    left_out = set() if members else set(_members(tree))
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.lineno, node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.lineno, node.rest


def _members(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                yield part
                yield from part.targets if isinstance(part, ast.Assign) else ()
                if isinstance(part, ast.AnnAssign):
                    yield part.target


def story_names(source: Path) -> Iterator[str]:
    """Yield one line for each module or class below `source` whose name is on a list."""
    for path in sorted(source.rglob("*.py")):
        file_path = path.relative_to(source)
        name = path.parent.name if path.stem == "__init__" else path.stem
        if name.lstrip("_") in MODULES:
            yield f"{file_path}: expected a noun that says what the module holds, got {name!r}"
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if CLASS.search(text) else ():
            if isinstance(node, ast.ClassDef) and node.name.lstrip("_") in CLASSES:
                yield f"{file_path}:{node.lineno}: expected a noun that says what the class is, got {node.name!r}"


def ruled_out(root: Path, folders: tuple[str, ...], *, members: bool = True) -> Iterator[str]:
    """Yield one line for each binding of a ruled-out word in some folders of a checkout, but for those in `KEPT`."""
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        file_path, text = path.relative_to(root).as_posix(), path.read_text()
        if not BINDING.search(text):
            continue
        for line, name in sorted(bindings(ast.parse(text), members=members)):
            if name.strip("_").lower() in WORDS and (file_path, name) not in KEPT:
                yield f"{file_path}:{line}: expected a name that says what the value is, got {name!r}"


if __name__ == "__main__":
    mistakes = [
        *story_names(ROOT / "src" / "edgewright"),
        *ruled_out(ROOT, ("src", "tools", "examples")),
        *ruled_out(ROOT, ("tests", "benchmarks"), members=False),
    ]
    print("\n".join(mistakes))
    sys.exit(bool(mistakes))
