"""Finding parts by file name: the folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache, cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from edgewright.core.errors import UnknownNameError

F = TypeVar("F")


class Registry(Generic[F]):
    """What the family files of a folder offer by name: called with names, it is the decorator that they use.

    Args:
        package: of the folder; the registry is made in its `__init__`.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._parts: dict[str, F] = {}

    def __call__(self, *names: str) -> Callable[[F], F]:
        """Register what is decorated under these names."""

        def register(part: F) -> F:
            self._parts.update(dict.fromkeys(names, part))
            return part

        return register

    @cached_property
    def known(self) -> MappingProxyType[str, F]:
        """All parts by name, from every family file."""
        for module in names(self._package):
            importlib.import_module(f"{self._package}.{module}")
        return MappingProxyType(self._parts)


@cache
def names(package: str) -> tuple[str, ...]:
    """Modules of a package, except those whose name starts with an underscore."""
    module = importlib.import_module(package)
    return tuple(sorted(m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_")))


def find(package: str, name: str, attribute: str, title: str, where: str = "") -> Any:  # noqa: ANN401 - parts differ by room
    """Return the object `attribute` of the module `name` in `package`.

    Raises:
        UnknownNameError: listing the known names, when there is no such module or it does not offer the object.
    """
    part = offered(package, name, attribute)
    if part is None:
        raise UnknownNameError(title, name, listing(package, attribute), where)
    return part


def offered(package: str, name: str, attribute: str) -> Any:  # noqa: ANN401 - parts differ by room
    """Return the object `attribute` of the module `name` in `package`, or None; no other part is imported."""
    return getattr(importlib.import_module(f"{package}.{name}"), attribute, None) if name in names(package) else None


@cache
def listing(package: str, attribute: str) -> tuple[str, ...]:
    """Return names of the modules in `package` that offer `attribute`."""
    return tuple(n for n in names(package) if hasattr(importlib.import_module(f"{package}.{n}"), attribute))


def merged(package: str, attribute: str) -> dict[str, Any]:
    """Return the entries of the dictionaries `attribute` of all modules in `package`."""
    return {
        name: part
        for module in listing(package, attribute)
        for name, part in getattr(importlib.import_module(f"{package}.{module}"), attribute).items()
    }


class LateModule:
    """A module that is imported when something of it is used.

    Args:
        name: of the module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value
