"""Where compiled modules lie, and how one is loaded: never compiled here, and only from a folder of one's own."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import platform
import sys
from pathlib import Path
from types import ModuleType

from edgewright.core import caches
from edgewright.core.processor import cpu_features
from edgewright.schema.errors import InputError

MODULE = "edgewright_model"


def machine_tag() -> str:
    """Python's binary interface and the processor: a module serves only where both are the same."""
    features = hashlib.sha256(" ".join(sorted(cpu_features())).encode()).hexdigest()[:8]
    return f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}-{features}"


def cache_folder(cache_home: Path | None = None) -> Path:
    """Return the folder of compiled modules for this machine.

    Args:
        cache_home: instead of `XDG_CACHE_HOME`, or `~/.cache` where that is not set.
    """
    return caches.cache_folder("extensions", cache_home) / machine_tag()


def model_key(model: bytes) -> str:
    """How the file of a model's module begins."""
    return hashlib.sha256(model).hexdigest()[:32]


def find_module(model: bytes, cache_home: Path | None = None) -> Path | None:
    """Find the newest compiled module of a model, or None; modules that other users could have written are ignored."""
    return module_of(model_key(model), cache_home)


def module_of(key: str, cache_home: Path | None = None) -> Path | None:
    """Find the newest compiled module by the key of its model."""
    folder = cache_folder(cache_home)
    try:
        if not caches.is_own(folder):
            return None
        found = [(path.stat().st_mtime_ns, path) for path in folder.glob(f"{key}-*.so")]
    except OSError:
        return None
    return max(found)[1] if found else None


def load_module(path: Path) -> ModuleType:
    """Load a compiled module.

    Raises:
        InputError: when the system cannot load it.
    """
    loader = importlib.machinery.ExtensionFileLoader(MODULE, str(path))
    spec = importlib.util.spec_from_file_location(MODULE, path, loader=loader)
    try:
        if spec is None:
            raise ImportError("no loader")
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        text = " ".join(str(error).split())
        raise InputError("a compiled module of this machine", text[:200], str(path), "Remove it") from None
    return module
