"""Modules that load libraries of training: they come with the first request that needs them, not with the server."""

from __future__ import annotations

import importlib
from types import ModuleType


def late(module: str) -> ModuleType:
    """The module, loaded now if it was not before.

    Raises:
        ModuleNotFoundError: an extra is missing.
    """
    return importlib.import_module(module)
