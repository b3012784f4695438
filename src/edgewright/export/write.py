"""Writing the files of a target into a folder: all of them whole, or none over what is there."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import ExistingFileError, FormatNewerError, InvalidNameError, OutputError
from edgewright.core.files import write_atomic, write_together
from edgewright.core.records.footprint import Program
from edgewright.core.records.network import Graph, IntegerNetwork, Node
from edgewright.export.c99_code.header import CodeOptions, Interface
from edgewright.export.c99_code.pipeline import lay_out
from edgewright.export.c99_code.unit import Arena, Unit
from edgewright.export.c99_graph.frames import Grid, cuts_of
from edgewright.export.cores import counted_as
from edgewright.graph.cost import NodeCost, cost

LIST = ".edgewright-export.json"
"""File of an export's folder that names the files which each export wrote there, each with its SHA-256."""
_FORMAT = 2

# Bytes; file systems take 255, and the temporary name is longer.
_LONGEST_NAME = 200
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


class _Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of LIST: hash by name of a file, by target and name of the export."""

    format: int
    exports: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Written:
    """What an export did in a folder.

    Attributes:
        files: bytes by path of all its files.
        removed: files of earlier exports of the same name and target, which this one replaces.
        changed: files of those that somebody changed since; they stay.
    """

    files: dict[Path, bytes]
    removed: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()


def write_files(folder: Path, files: dict[str, bytes], export: str = "", *, force: bool = False) -> Written:
    """Write files, all of them under other names before the first is renamed.

    Args:
        folder: made when it is not there.
        files: bytes by file name; a folder inside stands before a slash.
        export: target and name, which tell it from other exports in the folder.
        force: replace files of these names, and remove what else earlier exports of this target and name wrote here.

    Returns:
        What was written and removed.

    Raises:
        InputError: when one of them is there already with other bytes, and `force` is not given; for a name that leads
            out of the folder; for a list of an earlier export that cannot be read.
        OutputError: when the folder cannot be written; an earlier export is then as it was.
    """
    for name in files:
        _check_name(name)
    paths = {folder / name: data for name, data in sorted(files.items())}
    for path in paths:
        if path.is_dir():
            raise InvalidNameError(
                "a folder without that name", "one that has a folder of it", str(path), "Choose another --out"
            )
    if not force:
        for path, data in paths.items():
            if path.exists() and not (path.is_file() and path.read_bytes() == data):
                raise ExistingFileError(
                    "a folder without that file", "one that has it", str(path), "Use --force to replace it"
                )
    exports = _listed(folder)
    earlier = exports.get(export, {})
    try:
        for path in (folder / name for name in sorted({"", *(str(Path(name).parent) for name in files)})):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("to make a folder", error.strerror or str(error), str(error.filename or folder)) from None
    own = {name: _hash(data) for name, data in files.items()}
    # Exports may share a file, which is now as this one wrote it.
    others = {
        key: {name: own.get(name, digest) for name, digest in listed.items()}
        for key, listed in exports.items() if key != export
    }  # fmt: skip
    # The list comes first: an export that is killed between two names has all of its files in it.
    write_together({folder / LIST: _listing({**others, export: earlier | own}), **paths})
    if not force or earlier.keys() <= own.keys():
        return Written(paths)
    left = earlier.keys() - set(own).union(*others.values())
    removed, changed = _remove_earlier(folder, {name: earlier[name] for name in left}, paths)
    write_atomic(folder / LIST, _listing({**others, export: own}))
    return Written(paths, removed, changed)


def _listed(folder: Path) -> dict[str, dict[str, str]]:
    """Return hashes by name of what each earlier export wrote; empty without a list."""
    path = folder / LIST
    if not path.is_file():
        return {}
    do = "Delete that file; what the earlier export wrote then stays"
    try:
        listing = msgspec.json.decode(path.read_bytes(), type=_Listing)
    except (OSError, msgspec.DecodeError) as error:
        raise ExistingFileError("the list of an earlier export", str(error), str(path), do) from None
    if listing.format != _FORMAT:
        raise FormatNewerError(f"a list of format {_FORMAT}", f"format {listing.format}", str(path), do)
    for name in {name for files in listing.exports.values() for name in files}:
        _check_name(name, str(path), do)
    return listing.exports


def _listing(exports: dict[str, dict[str, str]]) -> bytes:
    return msgspec.json.encode(_Listing(_FORMAT, exports), order="sorted")


def _remove_earlier(
    folder: Path, earlier: dict[str, str], new: dict[Path, bytes]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Remove files whose bytes are as an earlier export wrote them; return those removed and those changed since."""
    removed, changed = [], []
    try:
        for name, digest in sorted(earlier.items()):
            path = folder / name
            # Where case does not count, a new file may have the name of an old one.
            if path.is_symlink() or not path.is_file() or any(path.samefile(other) for other in new):
                continue
            if _hash(path.read_bytes()) != digest:
                changed.append(path)
                continue
            path.unlink()
            removed.append(path)
            for above in list(Path(name).parents)[:-1]:
                with suppress(OSError):  # it holds other files
                    (folder / above).rmdir()
    except OSError as error:
        raise OutputError(
            "to remove a file of an earlier export", error.strerror or str(error), str(error.filename or folder)
        ) from None
    return tuple(removed), tuple(changed)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_name(name: str, where: str = "the name of the model", do: str = "Give another with --name") -> None:
    """Names come from packages and models, too: none may lead out of the folder, or be none of a file."""
    parts = name.split("/")
    longest = len(name.encode("utf-8", "replace")) > _LONGEST_NAME
    hidden = any(not part or part.startswith(".") for part in parts)
    if longest or hidden or any(c in _NOT_IN_NAMES or not c.isprintable() for part in parts for c in part):
        got = repr(name if len(name) <= 40 else name[:40] + "...")
        raise InvalidNameError("a plain name for the files", got, where, do)


# Functions of the C library that operators call; each is linked once.
_LIBRARY = ("expf", "logf", "sqrtf", "powf", "sinf", "cosf", "tanhf", "log1pf", "expm1f", "atan2f", "erff")
# They hold the scales of an integer network, and compute nothing inside it.
_GRIDS = ("QuantizeLinear", "DequantizeLinear")


def program_of(graph: Graph, network: IntegerNetwork | None = None, *, core: str = "", flash: float = 0.0) -> Program:
    """Return the size and the work of the program that `write_c99` would write.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        network: the integers of its network; None for the float network.
        core: core that the code is written for, as profiles name it; portable where empty.
        flash: bytes of flash of the device; 0 if unknown.

    Returns:
        Tables and static memory to the byte; the lines of code by operator, and the work of one call by the shapes of
        the operators, which the coefficients of a core weigh.
    """
    unit, face = lay_out(graph, CodeOptions("model", core=counted_as(core), flash=flash), network)
    inside, arena = _memory(unit, face, network)
    return Program(
        name=graph.name,
        constants=unit.table_bytes,
        values=arena.floats + arena.integers + arena.halves,
        written=_code_of(unit, inside),
        run=_work_of(graph, network),
        network=_tables_of(unit, inside),
    )


def _code_of(unit: Unit, inside: range) -> dict[str, float]:
    """Return the number of operators and of lines of code, and the library functions that they call."""
    counts = Counter[str]()
    for index, step in enumerate(unit.steps):
        if not step.condition:
            prefix = "int8 " if index in inside else ""
            counts[f"{prefix}lines"] += len(step.text)
            counts[f"{prefix}step {step.work}"] += 1
    routines = [line for routine in unit.routines for _, step in routine.parts for line in step.text]
    helpers = unit.helpers()
    counts["lines"] += len(routines)
    counts["helper lines"] = sum(text.count("\n") + 1 for text in helpers)
    text = "\n".join([*helpers, *routines, *(line for step in unit.steps for line in step.text)])
    counts.update(f"calls {name}" for name in _LIBRARY if f"{name}(" in text)
    return {name: float(count) for name, count in counts.items() if count}


def _work_of(graph: Graph, network: IntegerNetwork | None) -> dict[str, float]:
    """Return the work of one call by operator: nodes, output values, multiply-accumulates and rows of kernels."""
    work: dict[str, float] = {}
    for node, shape in zip(graph.nodes, cost(graph).nodes, strict=True):
        integer = network is not None and shape.network
        if not (integer and node.op in _GRIDS):
            for kind, amount in _shape_of(node, shape).items():
                name = f"int8 {kind}" if integer else kind
                work[name] = work.get(name, 0.0) + amount
    return {name: amount for name, amount in work.items() if amount}


def _shape_of(node: Node, shape: NodeCost) -> dict[str, float]:
    attributes: dict[str, Any] = dict(node.attributes)
    outputs, kernel = math.prod(shape.shape), tuple(attributes.get("kernel_shape") or (1,))
    name = f"{node.op} by channel" if int(attributes.get("group") or 1) > 1 else node.op
    taps = shape.macs or (outputs * math.prod(kernel) if math.prod(kernel) > 1 else 0)
    return {f"{name} node": 1, f"{name} output": outputs, f"{name} mac": taps, f"{name} row": taps / kernel[-1]}


def grid_of(graph: Graph, network: IntegerNetwork | None = None, *, core: str = "", flash: float = 0.0) -> Grid | None:
    """Return the frames of which generated C makes the answer to a window; None where it needs the window.

    Arguments as of `program_of`.
    """
    if not cuts_of(graph):
        return None
    frames = lay_out(graph, CodeOptions("model", core=counted_as(core), flash=flash), network)[1].frames
    return None if frames is None else frames.grid


def _memory(unit: Unit, face: Interface, network: IntegerNetwork | None) -> tuple[range, Arena]:
    """Return the steps of the integer network, and how memory is shared."""
    kept = [leaf.buffer for source in face.outputs.values() for leaf in source.leaves]
    unit.mark(face.outputs.values())
    borders = (0, *face.borders, len(unit.steps))
    inside = range(borders[2], borders[3]) if network is not None else range(0)
    return inside, unit.arena(kept, inside, face.ends)


def _tables_of(unit: Unit, inside: range) -> int:
    """Return bytes of the tables that some steps name."""
    text = " ".join(line for index in inside for line in unit.steps[index].text)
    words = set(re.findall(r"\w+", text))
    return sum(array.nbytes for name, array in unit.contents().items() if name in words)
