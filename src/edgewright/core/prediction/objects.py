"""Predict with a compiled network: the objects of a package and the native modules that compute them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import math
import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import files
from edgewright.core.errors import (
    DecisionError,
    FileModeError,
    FormatNewerError,
    InputError,
    NativeModuleError,
    error_line,
)
from edgewright.core.files import os_errors
from edgewright.core.records.data import Floats
from edgewright.core.records.package import FoundObject, ObjectMap

METADATA = "edgewright.objects"
"""Where a graph keeps its `ObjectMap`."""
# Log-odds are counted in sixteenths and held between -8 and nearly 8.
UNIT, LOWEST, HIGHEST = 16, -128, 127
GOOD, ODD = "good", "odd"
"""What a picture is whose map has no cell, or one, at the threshold of a model of odd pictures."""
MAPPED = ("detection", "anomaly")
"""Tasks whose answer is a map."""
_CELLS = 1 << 14


def read_objects(metadata: Mapping[str, str]) -> ObjectMap | None:
    """Return how the map of a graph is read; None for a graph that finds no objects.

    Raises:
        InputError: it is damaged.
    """
    text = metadata.get(METADATA)
    if text is None:
        return None
    try:
        spec = msgspec.json.decode(text, type=ObjectMap)
    except msgspec.DecodeError as error:
        raise DecisionError("how a map of objects is read", str(error), f"metadata {METADATA}") from None
    return checked_objects(spec, f"metadata {METADATA}")


def checked_objects(spec: ObjectMap, where: str) -> ObjectMap:
    """Return how a map is read, checked.

    Raises:
        InputError: sizes or a threshold that make no sense.
    """
    sizes = (spec.rows, spec.columns, spec.height, spec.width, spec.max_objects, len(spec.labels))
    if min(sizes) < 1 or spec.rows * spec.columns > _CELLS or max(sizes) > _CELLS or len(spec.labels) > 255:
        raise DecisionError("a map of objects of sensible size", str(sizes), where)
    if not LOWEST < spec.threshold <= HIGHEST:
        raise DecisionError(f"a threshold above {LOWEST}, at most {HIGHEST}", str(spec.threshold), where)
    return spec


def heat(maps: Floats, spec: ObjectMap) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the likeliest object of each cell and its log-odds against the background in 1/16.

    Args:
        maps: logits, shape (n, rows * columns * (1 + labels)), cell after cell.
        spec: how they are read.

    Returns:
        Numbers of labels and log-odds, shape (n, rows, columns); a value that is no number counts as the lowest.
    """
    cells = maps.reshape(len(maps), spec.rows, spec.columns, 1 + len(spec.labels))
    kinds = cells[..., 1:].argmax(axis=3)
    best = np.take_along_axis(cells[..., 1:], kinds[..., None], axis=3)[..., 0]
    with np.errstate(invalid="ignore"):
        odds = np.clip(best - cells[..., 0], np.float32(LOWEST / UNIT), np.float32(HIGHEST / UNIT))
    odds = np.where(np.isnan(odds), np.float32(LOWEST / UNIT), odds)
    return kinds, (odds * np.float32(UNIT) + np.float32(0.5 - 2 * LOWEST)).astype(np.int64) + 2 * LOWEST


def oddest(maps: Floats, spec: ObjectMap) -> NDArray[np.int64]:
    """Return the largest log-odds of the cells of each map in 1/16, shape (n,); arguments as of `heat`."""
    return np.asarray(heat(maps, spec)[1].max(axis=(1, 2)))


def odd_chances(scores: NDArray[np.int64], spec: ObjectMap) -> Floats:
    """Return shares of 'good' and 'odd' by the distance from the threshold, shape (n, 2); 'odd' leads with an alarm.

    Args:
        scores: as `oddest` gives them.
        spec: how the maps are read.
    """
    above = (scores - spec.threshold + 0.5) / UNIT
    odd = 1.0 / (1.0 + np.exp(-above))
    return np.stack([1.0 - odd, odd], axis=1).astype(np.float32)


def find_objects(maps: Floats, spec: ObjectMap) -> list[tuple[FoundObject, ...]]:
    """Return the objects of each map, the surest first.

    Args:
        maps: as of `heat`.
        spec: how they are read.
    """
    kinds, odds = heat(maps, spec)
    return [objects_in(kind, sure, spec) for kind, sure in zip(kinds, odds, strict=True)]


def objects_in(kinds: NDArray[np.int64], odds: NDArray[np.int64], spec: ObjectMap) -> tuple[FoundObject, ...]:
    """Return the objects of one map: cells at or above the threshold that touch, corners too, and have one label.

    The centre is the mean of the cells' centres, each weighted by its log-odds over the threshold plus one. Of equal
    scores the object comes first whose first cell does, row by row.

    Args:
        kinds: label of each cell, shape (rows, columns).
        odds: of each cell, shape (rows, columns).
        spec: threshold, sizes and how many are kept.
    """
    open_cells = {(int(r), int(c)): int(odds[r, c]) for r, c in np.argwhere(odds >= spec.threshold)}
    objects: list[FoundObject] = []
    while open_cells:
        first = next(iter(open_cells))
        label = int(kinds[first])
        weights = _take(open_cells, first, kinds)
        total = sum(odds - spec.threshold + 1 for odds in weights.values())
        across = sum((odds - spec.threshold + 1) * (2 * c + 1) for (_, c), odds in weights.items())
        down = sum((odds - spec.threshold + 1) * (2 * r + 1) for (r, _), odds in weights.items())
        x, y = _middle(across, total, spec.width, spec.columns), _middle(down, total, spec.height, spec.rows)
        objects.append(FoundObject(label=label, x=x, y=y, score=max(weights.values())))
    return tuple(sorted(objects, key=lambda item: -item.score)[: spec.max_objects])


def _take(
    open_cells: dict[tuple[int, int], int], first: tuple[int, int], kinds: NDArray[np.int64]
) -> dict[tuple[int, int], int]:
    """Take a cell and all of its label that it touches, directly or through others, and return their log-odds."""
    cells = {first: open_cells.pop(first)}
    waiting = [first]
    while waiting:
        row, column = waiting.pop()
        for near in ((row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)):
            if near in open_cells and kinds[near] == kinds[first]:
                cells[near] = open_cells.pop(near)
                waiting.append(near)
    return cells


def _middle(weighted: int, total: int, pixels: int, cells: int) -> int:
    """Return a mean of odd half cells in pixels, halves up, within the picture."""
    return min((2 * weighted * pixels + 2 * cells * total) // (4 * cells * total), pixels - 1)


def refuse_objects(task: str, where: str) -> None:
    """Refuse a model or pipeline that finds objects where only a class or a number is understood.

    Raises:
        InputError: the task is 'detection' or 'anomaly'.
    """
    if task in MAPPED:
        raise DecisionError(
            "a task with one answer a sample (classification, regression)", f"task = {task!r}", where,
            "Use edgewright run, predict, prove, score, estimate or export",
        )  # fmt: skip


def probability(score: int) -> float:
    """Return log-odds in 1/16 as a probability against the background."""
    return 1.0 / (1.0 + math.exp(-score / UNIT))


VARIABLE = "EDGEWRIGHT_CPU_FEATURES"
_CPUINFO = Path("/proc/cpuinfo")
# NumPy's names that differ from those of Linux by more than capitals.
_LINUX_NAMES = {
    "LZCNT": "abm",
    "AVX512BF16": "avx512_bf16",
    "AVX512BITALG": "avx512_bitalg",
    "AVX512FP16": "avx512_fp16",
    "AVX512VBMI2": "avx512_vbmi2",
    "AVX512VNNI": "avx512_vnni",
    "AVX512VPOPCNTDQ": "avx512_vpopcntdq",
    "BMI": "bmi1",
    "FMA3": "fma",
    "LAHF": "lahf_lm",
    "SSE3": "pni",
    "SSE41": "sse4_1",
    "SSE42": "sse4_2",
}


def cpu_features() -> frozenset[str]:
    """List what the processor has, under the names of Linux (`avx2`, `avx512_vnni`, `asimddp`).

    Linux shows the complete list, but under `qemu-x86_64 -cpu Haswell` it is the list of the host. NumPy asks the
    processor (CPUID) for a part of it: where that denies one feature that Linux shows, only NumPy's list holds.

    Returns:
        The words of `EDGEWRIGHT_CPU_FEATURES` where that is set, else what was found; empty where nobody says.
    """
    given = os.environ.get(VARIABLE)
    return _features() if given is None else frozenset(given.split())


def is_host() -> bool:
    """Return whether these are the features of the machine itself, which a compiler finds too (`-march=native`)."""
    return cpu_features() == (_shown() or _features())


@cache
def _features() -> frozenset[str]:
    """Return the list of Linux, or NumPy's where the processor denies a part of it."""
    shown = _shown()
    request = _numpy_answers()
    features = frozenset(name for name, present in request.items() if present)
    denied = frozenset(request) - features
    return shown if shown and not denied & shown else features


@cache
def _shown() -> frozenset[str]:
    try:
        lines = _CPUINFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(flags.partition(":")[2].split())


def _numpy_answers() -> dict[str, bool]:
    module = importlib.import_module("numpy._core._multiarray_umath")
    answers: dict[str, bool] = getattr(module, "__cpu_features__", {})
    return {_LINUX_NAMES.get(name, name.lower()): present for name, present in answers.items()}


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
        raise NativeModuleError(f"a folder with {INDEX}", error.strerror or str(error), where, _AGAIN) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NativeModuleError(f"a whole {INDEX}", str(error), where, _AGAIN) from None
    if index.format > INDEX_FORMAT:
        raise FormatNewerError(
            f"{INDEX} of format {INDEX_FORMAT} or older", f"{index.format}", where, "Update edgewright"
        )
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
        raise NativeModuleError(f"a module for {system}", f"those for {', '.join(index.modules)}", where, _AGAIN)
    lacks = set(known.features) - cpu_features()
    if lacks:
        raise NativeModuleError(f"a processor with {', '.join(sorted(known.features))}", f"no {min(lacks)}", where)
    path = folder / known.file
    for part in (folder, path.parent, path):
        _check_writers(part, where)
    return path


def _check_writers(path: Path, where: str) -> None:
    """Refuse a file or folder that others than its user and root may write to: code is loaded from it."""
    with os_errors(InputError, f"the module {path}", where):
        status = path.stat()
    if status.st_uid not in (0, os.getuid()) or status.st_mode & _WRITABLE_BY_OTHERS:
        raise FileModeError(
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
        raise NativeModuleError(
            "a compiled module of this machine", error_line(error), str(path), "Remove it"
        ) from None
    return module
