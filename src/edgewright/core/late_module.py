"""Libraries that take long to import, and that only some commands use."""

from __future__ import annotations

from importlib import import_module


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
