"""The way back for boards: the constants of an older release under a higher number, kept until they are needed.

A board that has confirmed weights takes nothing older. So a package brings, beside new weights, those of the release
before it, signed with the number after; a device keeps them, because the package of the release to which it goes back
was made earlier and cannot know them. They are found again by their content.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edgewright.core.files import sync_folder, write_atomic
from edgewright.core.package import Package, parse_package
from edgewright.device.boards.weights import BACK, FOLDER, SIGNATURE, Weights, parse_weights, read_weights, weights_for
from edgewright.schema.errors import InputError

_COUNTER = slice(40, 44)
_KEPT = 4


def renumbered(data: bytes, counter: int) -> bytes:
    """The same weights under another number, without their signature.

    Args:
        data: of a whole file.
        counter: from 1 on.
    """
    body = bytearray(data[:-SIGNATURE])
    body[_COUNTER] = counter.to_bytes(4, "little")
    return bytes(body)


def same_content(one: bytes, other: bytes) -> bool:
    """Whether two files differ in nothing but number and signature."""
    return renumbered(one, 0) == renumbered(other, 0)


def weights_at(path: Path, layout: bytes) -> bytes:
    """The weights for a layout in a package or a file of weights.

    Raises:
        InputError: it has none for that layout.
    """
    data = read_weights(path)
    found: bytes | None = data
    if data[:2] == b"PK":
        found = weights_for(parse_package(data, str(path)), layout)
    elif parse_weights(data, str(path)).layout != layout:
        found = None
    if found is None:
        raise InputError(f"weights for layout {layout.hex()[:16]}", "none", str(path), "Boards had others, or none yet")
    return found


def keep(package: Package, folder: Path) -> None:
    """Puts a package's ways back where they are found later; durable before any of its weights is sent.

    Args:
        package: of the release.
        folder: of the store, for this.

    Raises:
        OutputError: the disk is full or broken.
    """
    for name, data in package.files.items():
        if not (name.startswith(FOLDER) and name.endswith(BACK)):
            continue
        weights = parse_weights(data, f"{package.manifest.name}, {name}")
        path = folder / f"{weights.layout.hex()[:16]}-{weights.counter:010d}{BACK}"
        if path.exists() and path.read_bytes() == data:
            continue
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
        write_atomic(path, data)
        older = sorted(folder.glob(f"{weights.layout.hex()[:16]}-*{BACK}"))[:-_KEPT]
        for gone in older:
            gone.unlink(missing_ok=True)


def kept(folder: Path) -> Iterable[tuple[Weights, bytes]]:
    """What is kept; damaged files are passed over."""
    for path in sorted(folder.glob(f"*{BACK}")):
        with suppress(OSError, InputError):
            data = path.read_bytes()
            yield parse_weights(data, str(path)), data
