"""Selects the files of the distribution `edgewright-device`: rooms that run on a device, and the commands over them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).resolve().parents[2] / "src"
ROOMS = ("core", "device", "monitor", "nlp", "profiles", "fleet/device", "fleet/protocol")
COMMANDS = "cli/commands/device"
MODULES = ("__init__", "__main__", "_late_imports", "_version")


class DeviceFiles(BuildHookInterface):  # type: ignore[type-arg]  # hatchling has no types
    """Adds the files to a wheel; code that imports a module of the desk is an error."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add each file below its name in the wheel."""
        for path in device_files():
            build_data["force_include"][str(path)] = str(path.relative_to(SOURCE))


def device_files() -> list[Path]:
    """Return the files: whole rooms, the modules named here, and what both import from other rooms' commands.

    Raises:
        ValueError: a module imports one that a device does not have.
    """
    package = SOURCE / "edgewright"
    files = {path for room in (*ROOMS, COMMANDS) for path in (package / room).rglob("*") if path.is_file()}
    files |= {package / f"{name}.py" for name in MODULES} | set(package.glob("py.typed"))
    files = {path for path in files if "__pycache__" not in path.parts}
    unread = [path for path in files if path.suffix == ".py"]
    while unread:
        path = unread.pop()
        for imported in _imports(path):
            for needed in (imported, *_packages(imported)):
                if needed in files:
                    continue
                if needed.parent.name != "cli" and needed.name != "__init__.py":
                    raise ValueError(f"{path} imports {needed}, which is no part of edgewright-device")
                files.add(needed)
                unread.append(needed)
    return sorted(files)


def _imports(path: Path) -> Iterator[Path]:
    """Yield files of modules of Edgewright that a file imports when it runs.

    What all commands share imports parts of the desk inside functions, for results that no command of a device has.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if path.parent.name == "cli" else ast.walk(tree)
    for_types = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in nodes:
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            module = SOURCE.joinpath(*name.split("."))
            if name.split(".")[0] == "edgewright":
                yield from (file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file())


def _packages(path: Path) -> Iterator[Path]:
    for parent in path.relative_to(SOURCE).parents[:-1]:
        yield SOURCE / parent / "__init__.py"
