"""Public sets: finding them by name or by a copy of theirs, getting them, and verifying that a copy is whole."""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import re
import shutil
import tarfile
import tempfile
import urllib.error
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from edgewright.core import catalogue
from edgewright.core.files import data_folder
from edgewright.core.late_module import LateModule
from edgewright.data.contract import Documented, Public, PublicSet, RemoteFile
from edgewright.schema.data import DataSet, TextSet
from edgewright.schema.errors import InputError, OutputError, UnknownNameError

if TYPE_CHECKING:
    import http.client as http_client
    import urllib.request as urllib_request
else:
    http_client, urllib_request = map(LateModule, ("http.client", "urllib.request"))

Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_ATTEMPTS = 4  # a connection that drops is taken up again this often, as long as each attempt brings something
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def cache_folder() -> Path:
    """Where downloads are kept: $EDGEWRIGHT_DATA, else `edgewright/data` in $XDG_DATA_HOME or ~/.local/share."""
    return data_folder("data")


def fetch(file: RemoteFile, folder: Path, *, progress: Progress | None = None, timeout: float = _TIMEOUT) -> Path:
    """Download a file, or finds it already there.

    What has arrived lies in `NAME.part`; a later call takes it up with an HTTP Range request, from the start when the
    server does not know ranges. The whole file is compared with its SHA-256, where one is known, and then renamed.

    Args:
        file: what to fetch; http, https and file addresses.
        folder: made when absent.
        progress: called with the bytes so far and the whole size, None when the server does not say.
        timeout: seconds without a byte after which a connection counts as dropped.

    Raises:
        InputError: no network, an answer that is an error, another SHA-256 than the documented one.
        OutputError: the disk is full or read-only.
    """
    if urlsplit(file.url).scheme not in ("http", "https", "file"):
        raise InputError("an address that begins with http, https or file", file.url, file.name)
    whole, part = folder / file.name, folder / (file.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if whole.is_file() and (not file.sha256 or sha256_of(whole) == file.sha256):
            return whole
        _receive_all(file, part, progress, timeout)
        digest = sha256_of(part)
        if file.sha256 and digest != file.sha256:
            part.unlink()
            raise InputError(
                f"SHA-256 {file.sha256}", digest, file.url,
                "The file was removed. The origin may have changed it: get it another way and use --from PATH",
            )  # fmt: skip
        part.replace(whole)
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError("room to write", error.strerror or str(error), str(folder), "Free some space") from None
        raise
    return whole


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _receive_all(file: RemoteFile, part: Path, progress: Progress | None, timeout: float) -> None:
    """Receive into `part` until the file is whole; takes up a connection that drops while that brings something."""
    reason = ""
    for _ in range(_ATTEMPTS):
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _receive(file, part, before, progress, timeout):
                return
            reason = "the connection dropped"
        except urllib.error.HTTPError as error:
            with error:
                raise InputError(
                    "the file at its origin", f"HTTP {error.code} {error.reason}", file.url,
                    "Get it another way and use --from PATH",
                ) from None  # fmt: skip
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (TimeoutError, ConnectionError, http_client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        if (part.stat().st_size if part.is_file() else 0) <= before:
            break
    raise InputError(
        "a connection to the origin", reason, file.url,
        "Run the command again to resume, or get the file another way and use --from PATH",
    )  # fmt: skip


def _receive(file: RemoteFile, part: Path, have: int, progress: Progress | None, timeout: float) -> bool:
    """One connection; True when the file is whole afterwards."""
    request = urllib_request.Request(file.url, headers={"User-Agent": "edgewright"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib_request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # 416: nothing lies beyond what has arrived. Whole, if the server's size agrees; else the part is of another
        # file and the download begins again.
        with error:
            size = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if size and int(size.group(1)) == have:
            return True
        part.unlink()
        return _receive(file, part, 0, progress, timeout)
    with answer:
        have, total = _range(answer, have)
        with part.open("ab" if have else "wb") as stream:
            while block := _read(answer):
                stream.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
            stream.flush()
            os.fsync(stream.fileno())
    return total is None or have >= total


def _range(answer: Any, have: int) -> tuple[int, int | None]:  # noqa: ANN401 - http.client or a file's answer
    """Return bytes that precede this answer in the file, and the file's size; None when the server does not say.

    A server that does not know ranges answers 200 with the whole file, and then nothing precedes.
    """
    if getattr(answer, "status", None) == 206:
        location = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if location and int(location.group(1)) == have:
            return have, None if location.group(2) == "*" else int(location.group(2))
        raise http_client.HTTPException(f"another range than requested: {answer.headers.get('Content-Range')}")
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length else None


def _read(answer: Any) -> bytes:  # noqa: ANN401 - http.client or a file's answer
    """Return the next block; what a dropping connection brought before it dropped counts as well."""
    try:
        block: bytes = answer.read(_BLOCK)
    except http_client.IncompleteRead as error:
        return error.partial
    return block


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
REMOVED = frozenset({"ett", "m4", "magic_wand", "mlperf_tiny", "pamap2", "wisdm"})
"""Names of sets that were removed from the product; listed for one version."""


def register_sets(sets: Mapping[str, Public]) -> None:
    """Add public sets that `[data]` can name in this process, for benchmarks and examples with their own loaders."""
    public_sets().update(sets)


@cache
def public_sets() -> dict[str, Public]:
    """Return all public sets by name."""
    modules = (importlib.import_module(f"{SETS}.{module}") for module in catalogue.names(SETS))
    return dict(sorted(entry for module in modules for entry in module.SETS.items()))


def names() -> tuple[str, ...]:
    """Return names of all public sets."""
    return tuple(public_sets())


def loaders() -> dict[str, PublicSet[Any]]:
    """Return the public sets that are read as rows; sets of texts are none."""
    return {name: part for name, part in public_sets().items() if isinstance(part, PublicSet)}


def public_set(name: str) -> Public:
    """Return the public set of this name.

    Raises:
        UnknownNameError: with the known names.
    """
    if name not in public_sets():
        check_removed(name)
        raise UnknownNameError("public set", name, names())
    return public_sets()[name]


def check_removed(name: str, where: str = "") -> None:
    """Raise an error that names the replacement of a removed public set.

    Raises:
        InputError: the set was removed.
    """
    if name in REMOVED:
        raise InputError(
            "a current public set", f"{name}, which was removed", where,
            'Read its files as your own data, with kind = "csv", "parquet", "folder" or "numpy"',
        )  # fmt: skip


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
        name: name of the set.
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


def verify(part: Public, counted: Documented) -> str:
    """Which documented copy a loaded set is equal to; empty when to none."""
    for known in part.documented:
        mine = dict(counted.classes)
        if (
            known.recordings in (None, counted.recordings)
            and known.rows in (None, counted.rows)
            and all(mine.get(label) == rows for label, rows in known.classes)
        ):
            return known.copy
    return ""


def set_at(path: Path | None) -> str:
    """Return the name of the public set that a folder or file is a copy of; empty where there is none."""
    if path is None:
        return ""
    if path.is_dir():
        return _of_folder(path)
    home = path.resolve().parent.name
    for name, known_set in public_sets().items():
        if any(_is_file(path, file.name, file.sha256, home == known_set.folder) for file in known_set.files) or (
            known_set.folder and home == known_set.folder and path.stem == known_set.folder
        ):
            return name
    return ""


def _of_folder(folder: Path) -> str:
    """Return the set whose files lie in a folder; its name decides where files say nothing."""
    home = folder.resolve().name
    there = {path.name.removesuffix(".gz").removesuffix(".xz") for path in folder.rglob("*")}
    packed = bool(there) and all(is_archive(Path(file)) for file in there)
    for name, known_set in public_sets().items():
        if known_set.marks and all(_lies_in(there, mark) for mark in known_set.marks):
            return name
        if home in (known_set.folder, name) and (packed or not known_set.marks):
            return name
    return ""


def _lies_in(names_there: set[str], mark: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in mark.split("|") for name in names_there)


def _is_file(path: Path, name: str, sha256: str, at_home: bool) -> bool:
    """Return whether a file belongs to a set: its name matches, and so does its hash or the name of its folder."""
    if path.name != name:
        return False
    return at_home or (bool(sha256) and sha256_of(path) == sha256)
