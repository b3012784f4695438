"""Names tests by how near they are to changed code, the nearest first, with a number that grows with the distance.

0 is a test that changed. One that imports a changed module is as far as there are tests that import this module: what
all of them import says little. One whose helper imports it is as far as there are tests that do either. Behind these
come tests of modules that import a changed one.

Usage: python tools/affected.py [REVISION]

A commit or a time as git names it ('HEAD~3', '2 days ago'); a day ago when left out.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS, SOURCE, PACKAGE = ROOT / "tests", ROOT / "src", "edgewright"
# Imports between a test and changed code; with more of them nearly everything depends on everything.
MAXIMUM = 3


class ImportGraph:
    """Imports of source and tests below a folder, those inside of functions too.

    Args:
        root: of the repository.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self.modules = {_name(path, root / "src"): path for path in (root / "src").rglob("*.py")}
        self._helpers = {path.stem: path for path in (root / "tests").glob("*.py")}
        self.tests = sorted((root / "tests").rglob("test_*.py"))
        self._parsed: dict[Path, tuple[set[str], set[str]]] = {}

    @cached_property
    def importers(self) -> Mapping[str, frozenset[str]]:
        """Modules that import a module, or find it by the name of its folder, by the module."""
        imported: dict[str, set[str]] = {name: set() for name in self.modules}
        for name, path in self.modules.items():
            text = path.read_text("utf-8")
            tree = ast.parse(text)
            modules = self._imports(tree)
            for module in modules:
                imported[module].add(name)
            if f"{PACKAGE}.core.catalogue" in modules or "iter_modules" in text:
                folders = {name} | {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
                for module in self.modules:
                    if module.rpartition(".")[0] in folders:
                        imported[module].add(name)
        return {name: frozenset(others - {name}) for name, others in imported.items()}

    @cached_property
    def used(self) -> Mapping[Path, frozenset[str]]:
        """Modules that a test imports, or its helpers, or whose command it gives, by the test."""
        return {path: frozenset(self._used(path, set())) for path in self.tests}

    @cached_property
    def imported(self) -> Mapping[Path, frozenset[str]]:
        """Modules that a test imports itself, or whose command it gives, by the test."""
        return {path: frozenset(self._used(path, set(self._helpers))) for path in self.tests}

    def distances(self, changed: Iterable[Path]) -> dict[Path, int]:
        """Return how far tests are from changed files; those that do not depend on them are left out."""
        # Fixed C stands beside the module that writes its tables, in one folder with it.
        files = {(self._root / path).resolve() for path in changed}
        files |= {neighbour for path in files if path.suffix in (".c", ".h") for neighbour in path.parent.glob("*.py")}
        reached = {name for name, path in self.modules.items() if path in files}
        count, own = (Counter(chain.from_iterable(names.values())) for names in (self.used, self.imported))
        far = {path: 0 for path in self.tests if path in files}
        for step in range(MAXIMUM):
            for path in self.tests:
                shared = [own[name] for name in reached & self.imported[path]]
                shared = shared or [count[name] for name in reached & self.used[path]]
                if shared and path not in far:
                    far[path] = step * len(self.tests) + min(shared)
            reached |= {importer for name in reached for importer in self.importers[name]}
        return far

    def _imports(self, tree: ast.AST) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and str(node.value).startswith(f"{PACKAGE}."):
                names.add(str(node.value))
        return names & self.modules.keys()

    def _used(self, path: Path, seen: set[str]) -> set[str]:
        """Return modules that a test or helper imports, and those of helpers that are not seen yet."""
        if path not in self._parsed:
            self._parsed[path] = self._read(path)
        modules, helpers = self._parsed[path]
        modules = set(modules)
        for helper in helpers:
            if helper not in seen:
                seen.add(helper)
                modules |= self._used(self._helpers[helper], seen)
        return modules

    def _read(self, path: Path) -> tuple[set[str], set[str]]:
        """Return modules that a file imports, or whose command it gives, and the helpers that it imports."""
        tree = ast.parse(path.read_text("utf-8"))
        modules, helpers = self._imports(tree), set[str]()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                helpers |= {node.module or ""}
            elif isinstance(node, ast.Import):
                helpers |= {alias.name for alias in node.names}
            command = f"{PACKAGE}.cli.commands"
            # Arguments of a call, or those kept in a tuple or list for one.
            words = node.args if isinstance(node, ast.Call) else getattr(node, "elts", ())
            for word in words:
                if not isinstance(word, ast.Constant):
                    break
                command += f".{word.value!s}".replace("-", "_")
                modules |= {command} & self.modules.keys()
        return modules, helpers & self._helpers.keys()


def changed_since(revision: str, root: Path = ROOT) -> list[Path]:
    """Return files that changed since a commit or a time; none where git knows no such commit."""
    commits = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    commits = commits or _git(root, "rev-list", "-1", f"--before={revision}", "HEAD")
    return [Path(line) for line in _git(root, "diff", "--name-only", commits[0], "HEAD")] if commits else []


def _git(root: Path, *words: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def _name(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    revision = sys.argv[1] if len(sys.argv) > 1 else "1 day ago"
    distances = ImportGraph().distances(changed_since(revision))
    for path, distance in sorted(distances.items(), key=lambda entry: (entry[1], entry[0])):
        print(distance, path.relative_to(ROOT))
