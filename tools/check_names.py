"""Checks that no module or class has a name that tells a story instead of saying what it holds.

Usage: python tools/check_names.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "edgewright"
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


def story_names(source: Path) -> Iterator[str]:
    """Yield one line for each module or class below `source` whose name is on a list."""
    for path in sorted(source.rglob("*.py")):
        file_path = path.relative_to(source)
        name = path.parent.name if path.stem == "__init__" else path.stem
        if name.lstrip("_") in MODULES:
            yield f"{file_path}: expected a noun that says what the module holds, got {name!r}"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.lstrip("_") in CLASSES:
                yield f"{file_path}:{node.lineno}: expected a noun that says what the class is, got {node.name!r}"


if __name__ == "__main__":
    found = list(story_names(SOURCE))
    print("\n".join(found))
    sys.exit(bool(found))
