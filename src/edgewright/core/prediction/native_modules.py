"""Where compiled modules lie, and how one is loaded: never compiled here, and only from a folder of one's own."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import sys
from pathlib import Path
from types import ModuleType

import msgspec

from edgewright.core import files
from edgewright.core.files import os_errors
from edgewright.core.prediction.processor import cpu_features
from edgewright.schema.errors import InputError

MODULE = "edgewright_model"
# Names the folder that `edgewright export --to native` wrote, on a device without a compiler.
NATIVE = "EDGEWRIGHT_NATIVE"
INDEX = "native.json"
INDEX_FORMAT = 1
_WRITABLE_BY_OTHERS = 0o022
_AGAIN = "Write it with: edgewright export --to native"


class NativeModule(msgspec.Struct, frozen=True, kw_only=True):
    """A module that was built for a system elsewhere.

    Attributes:
        file: path below the folder.
        features: that its processor must have, under the names of Linux.
    """

    file: str
    features: tuple[str, ...] = ()


class NativeIndex(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of modules for several systems holds, in its `native.json`.

    Attributes:
        format: version of the index.
        model: key of the model, as `model_key` gives it.
        modules: by system, as `this_system` names it.
    """

    format: int
    model: str
    modules: dict[str, NativeModule]


def machine_tag() -> str:
    """Python's binary interface and the processor: a module serves only where both are the same."""
    features = hashlib.sha256(" ".join(sorted(cpu_features())).encode()).hexdigest()[:8]
    return f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}-{features}"


def cache_folder(cache_home: Path | None = None) -> Path:
    """Return the folder of compiled modules for this machine.

    Args:
        cache_home: instead of `XDG_CACHE_HOME`, or `~/.cache` where that is not set.
    """
    return files.cache_folder("extensions", cache_home) / machine_tag()


def model_key(model: bytes) -> str:
    """How the file of a model's module begins."""
    return hashlib.sha256(model).hexdigest()[:32]


def find_module(model: bytes) -> Path | None:
    """Find the newest compiled module of a model, or None; modules that other users could have written are ignored."""
    return module_of(model_key(model))


def module_of(key: str) -> Path | None:
    """Find the newest module by the key of its model: compiled on this machine, or delivered in `EDGEWRIGHT_NATIVE`."""
    folder = cache_folder()
    try:
        own = folder.glob(f"{key}-*.so") if files.is_own(folder) else ()
        modules = [(path.stat().st_mtime_ns, path) for path in own]
    except OSError:
        modules = []
    if modules:
        return max(modules)[1]
    try:
        return delivered_module(key)
    except InputError:
        # Who asks for the engine by its name is told why.
        return None


def this_system() -> str:
    """Return the name of this system as `edgewright export --to native` has it: 'linux-aarch64', 'macos-arm64'."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    # Python of 32 bits under a kernel of 64 bits, as on many a Raspberry Pi.
    small = sys.maxsize < 2**32 and machine in ("aarch64", "armv8l")
    return f"{system}-{'armv7l' if small else machine}"


def read_index(folder: Path, where: str) -> NativeIndex:
    """Read the index of a folder that `edgewright export --to native` wrote.

    Args:
        folder: that it lies in.
        where: of errors.

    Raises:
        InputError: it is not there, damaged, or newer than this program.
    """
    try:
        index = msgspec.json.decode((folder / INDEX).read_bytes(), type=NativeIndex)
    except OSError as error:
        raise InputError(f"a folder with {INDEX}", error.strerror or str(error), where, _AGAIN) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"a whole {INDEX}", str(error), where, _AGAIN) from None
    if index.format > INDEX_FORMAT:
        raise InputError(f"{INDEX} of format {INDEX_FORMAT} or older", f"{index.format}", where, "Update edgewright")
    return index


def delivered_module(key: str) -> Path | None:
    """Find a model's module for this system in the folder that `EDGEWRIGHT_NATIVE` names.

    Returns:
        None where no folder is named, or where it holds another model.

    Raises:
        InputError: the folder or the module cannot be used here; it says why.
    """
    named = os.environ.get(NATIVE, "")
    if not named:
        return None
    where, folder, system = f"{NATIVE}={named}", Path(named), this_system()
    index = read_index(folder, where)
    if index.model != key:
        return None
    known = index.modules.get(system)
    if known is None:
        raise InputError(f"a module for {system}", f"those for {', '.join(index.modules)}", where, _AGAIN)
    lacks = set(known.features) - cpu_features()
    if lacks:
        raise InputError(f"a processor with {', '.join(sorted(known.features))}", f"no {min(lacks)}", where)
    path = folder / known.file
    for part in (folder, path.parent, path):
        _check_writers(part, where)
    return path


def _check_writers(path: Path, where: str) -> None:
    """Refuse a file or folder that others than its user and root may write to: code is loaded from it."""
    with os_errors(InputError, f"the module {path}", where):
        status = path.stat()
    if status.st_uid not in (0, os.getuid()) or status.st_mode & _WRITABLE_BY_OTHERS:
        raise InputError(
            "modules that only this user or root can write", f"others can write {path}", where,
            f"chown and chmod go-w {path}",
        )  # fmt: skip


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
