"""Unpacking the archives in which public sets are published, archives within archives included."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

from edgewright.schema.errors import InputError

_TARS = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")
_DEPTH = 3  # UCI packs an archive into an archive
_LARGEST = 20 << 30  # bytes; no set here comes near, an archive that claims more is damaged or hostile


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive this module unpacks."""
    return path.name.lower().endswith((".zip", *_TARS))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks an archive into a folder that appears only when everything is there.

    Args:
        archive: ZIP or TAR; archives inside it are unpacked into folders beside them and removed.
        folder: replaced when it exists.

    Raises:
        InputError: for a damaged archive, or one whose members would lie outside the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        _unpack(archive, beside, archive.name, 1)
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        if beside.exists():
            shutil.rmtree(beside)
    return folder


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
