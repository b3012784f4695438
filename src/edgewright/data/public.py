"""Public sets: finding them by name, getting them, and verifying that a copy is whole."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.catalogue import find, listing
from edgewright.data.contract import Documented, PublicSet, PublicText, RemoteFile
from edgewright.data.download import Progress, cache_folder, fetch
from edgewright.schema.data import DataSet, TextSet
from edgewright.schema.errors import InputError, UnknownNameError

_TARS = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")
_DEPTH = 3  # UCI packs an archive into an archive
_LARGEST = 20 << 30  # bytes; no set here comes near, an archive that claims more is damaged or hostile


def is_archive(path: Path) -> bool:
    """Return whether the name is that of an archive this module unpacks."""
    return path.name.lower().endswith((".zip", *_TARS))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive into a folder that appears only when everything is there.

    Args:
        archive: ZIP or TAR; archives inside it are unpacked into folders beside them and removed.
        folder: replaced when it exists.

    Raises:
        InputError: for a damaged archive, or one whose members would lie outside the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _in_the_place_of(folder) as spare:
        _unpack(archive, spare, archive.name, 1)
    return folder


@contextmanager
def _in_the_place_of(folder: Path) -> Iterator[Path]:
    """Provide a folder that takes another one's place once it is filled: half a set must not look like a set."""
    spare = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        yield spare
        if folder.exists():
            shutil.rmtree(folder)
        spare.replace(folder)
    finally:
        if spare.exists():
            shutil.rmtree(spare)


def _unpack(archive: Path, folder: Path, name: str, depth: int) -> None:
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                _check_size(sum(i.file_size for i in packed.infolist()), name)
                packed.extractall(folder)  # noqa: S202 - zipfile keeps members inside the folder
        else:
            with tarfile.open(archive) as packed_tar:
                _check_size(sum(m.size for m in packed_tar.getmembers()), name)
                packed_tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise InputError("members inside the archive's own folder", str(error), name) from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError("a whole archive", str(error) or type(error).__name__, name, "Fetch it again") from None
    if depth < _DEPTH:
        for inner in sorted(p for p in folder.rglob("*") if p.is_file() and is_archive(p)):
            # Inside a set, an archive of recordings (fsdd) unpacks to the same files it held.
            target = inner.with_name(inner.name.rsplit(".", 1)[0])
            if not target.exists():
                target.mkdir()
                _unpack(inner, target, f"{name}/{inner.name}", depth + 1)
                inner.unlink()


def _check_size(size: int, name: str) -> None:
    if size > _LARGEST:
        raise InputError(f"an archive of at most {_LARGEST >> 30} GiB", f"{size >> 30} GiB", name)


SETS = "edgewright.data.sets"
Public = PublicSet[Any] | PublicText


def names() -> tuple[str, ...]:
    """Return names of all public sets."""
    return tuple(sorted({*listing(SETS, "SET"), *listing(SETS, "TEXT")}))


def public_set(name: str) -> Public:
    """Return the public set of this name.

    Raises:
        UnknownNameError: with the known names.
    """
    for attribute in ("SET", "TEXT"):
        if name in listing(SETS, attribute):
            found: Public = find(SETS, name, attribute, "public set")
            return found
    raise UnknownNameError("public set", name, names())


def folder_of(name: str, part: Public, path: str = "") -> Path:
    """Where a set lies: the path, else a copy that an installed package carries, else the folder of downloads.

    Raises:
        InputError: when it lies nowhere; says how to get it.
    """
    if path:
        folder = Path(path)
        if not folder.exists():
            raise InputError(
                f"the public set {name!r}", "no such folder", path,
                f"Download it with: edgewright data get {name}, or name another folder",
            )  # fmt: skip
        return folder
    kept = cache_folder() / name
    if kept.is_dir():
        return kept
    if isinstance(part, PublicSet) and part.carried is not None:
        return part.carried()
    raise InputError(
        f"the public set {name!r}", "none on this machine", str(kept),
        f"Download it with: edgewright data get {name}, or name its folder with --data PATH",
    )  # fmt: skip


def download(name: str, part: Public, progress: Callable[[RemoteFile], Progress | None]) -> Path:
    """Fetch the files of a set into the folder of downloads and unpacks them.

    Args:
        name: of the set.
        part: the set.
        progress: gives what `fetch` calls for a file, or None.

    Raises:
        InputError: for a set that is no download, and as `fetch` and `unpack` do.
    """
    if not part.downloads:
        raise InputError(
            f"files of {name!r} to download", "none: it combines files of several origins", part.homepage,
            "Name the folder of a copy with --from PATH",
        )  # fmt: skip
    folder, parts = cache_folder() / name, cache_folder() / ".downloads" / name
    arrived = [fetch(file, parts, progress=progress(file)) for file in part.downloads]
    if len(arrived) == 1 and is_archive(arrived[0]):
        try:
            unpack(arrived[0], folder)
        except InputError:
            arrived[0].unlink()  # or the next call would find the damaged file and stop at it again
            raise
    else:
        with _in_the_place_of(folder) as spare:
            for path in arrived:
                path.replace(spare / path.name)
    shutil.rmtree(parts)
    return folder


@contextmanager
def opened(path: Path, part: Public | None = None) -> Iterator[Path]:
    """Provide a folder: a local one, an archive unpacked for as long as needed, or a folder with one file of a set.

    Args:
        path: folder, archive or file.
        part: the set; its one file may have another name.
    """
    if path.is_file() and is_archive(path):
        with tempfile.TemporaryDirectory() as room:
            yield unpack(path, Path(room) / "set")
    elif path.is_file() and part is not None:
        with tempfile.TemporaryDirectory() as room:
            packing = path.suffix if part.file and path.suffix in (".gz", ".xz") else ""
            name = (part.file or path.name) + packing
            (Path(room) / name).symlink_to(path.absolute())
            try:
                yield Path(room)
            except UnknownNameError:
                raise
            except InputError as error:
                # Whoever named a file reads of that file.
                where = error.where.replace(str(Path(room) / name), str(path)).replace(room, str(path))
                raise InputError(error.expected, error.got, where, error.do) from None
    else:
        yield path


def counts(data: DataSet | TextSet) -> Documented:
    """Return what a loaded set holds; `copy` is its name."""
    if isinstance(data, TextSet):
        return Documented(data.name, rows=len(data.rows))
    classes: Counter[str] = Counter()
    for recording in data.recordings:
        if recording.target is not None and np.asarray(recording.target).dtype.kind == "U":
            labels, rows = np.unique(recording.target, return_counts=True)
            classes.update(dict(zip(labels.tolist(), rows.tolist(), strict=True)))
    return Documented(
        data.name,
        recordings=len(data.recordings),
        rows=sum(len(r.values) for r in data.recordings),
        classes=tuple(sorted(classes.items())),
    )


def verify(part: Public, found: Documented) -> str:
    """Which documented copy a loaded set is equal to; empty when to none."""
    for known in part.documented:
        mine = dict(found.classes)
        if (
            known.recordings in (None, found.recordings)
            and known.rows in (None, found.rows)
            and all(mine.get(label) == rows for label, rows in known.classes)
        ):
            return known.copy
    return ""
