"""What decides the digits of a result besides the data: the code of Edgewright and the libraries that compute."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "jax", "jaxlib", "optax")
# Files that the results come from.
_SUFFIXES = frozenset({".py", ".toml", ".npy", ".c", ".h"})


@cache
def identity() -> dict[str, str]:
    """Return versions by name; 'code' is a hash of the files of Edgewright, whatever version they claim."""
    root = Path(__file__).parents[1]
    code = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES):
        code.update(f"{path.relative_to(root).as_posix()}\n".encode())
        code.update(hashlib.sha256(path.read_bytes()).digest())
    versions = {"edgewright": version("edgewright"), "code": code.hexdigest()[:12]}
    # A GPU rounds otherwise than a processor.
    versions["platform"] = os.environ.get("JAX_PLATFORMS", "cpu")
    return versions | {"python": ".".join(platform.python_version_tuple()[:2])} | {n: _version(n) for n in _LIBRARIES}


def difference(here: dict[str, str], there: dict[str, str]) -> str:
    """Return what differs on a worker, such as 'numpy 2.1 (here 2.2)'; empty where nothing does."""
    named = {"code": "files of edgewright", "platform": "JAX_PLATFORMS"}
    return ", ".join(
        f"{named.get(name, name)} {there.get(name, 'unknown') or 'none'} (here {own or 'none'})"
        for name, own in here.items()
        if there.get(name) != own
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
