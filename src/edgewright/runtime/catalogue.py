"""Finding parts by file name: the folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from edgewright.schema.errors import UnknownNameError


@cache
def names(package: str) -> tuple[str, ...]:
    """Modules of a package, except those whose name starts with an underscore."""
    module = importlib.import_module(package)
    return tuple(sorted(m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_")))


def find(package: str, name: str, attribute: str, what: str, where: str = "") -> Any:  # noqa: ANN401 - parts differ by room
    """The object `attribute` of the module `name` in `package`.

    Raises:
        UnknownNameError: listing the known names, when there is no such module or it does not offer the object.
    """
    if name in names(package):
        part = getattr(importlib.import_module(f"{package}.{name}"), attribute, None)
        if part is not None:
            return part
    raise UnknownNameError(what, name, listing(package, attribute), where)


@cache
def listing(package: str, attribute: str) -> tuple[str, ...]:
    """Names of the modules in `package` that offer `attribute`."""
    return tuple(n for n in names(package) if hasattr(importlib.import_module(f"{package}.{n}"), attribute))
