"""Data at an address that fsspec opens, such as `s3://bucket/rows.csv`: copied once to each machine that reads it."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from edgewright.core.errors import UnreadableFileError
from edgewright.core.files import cache_folder, lock


def is_remote(path: str) -> bool:
    """Return whether a path is an address, such as `s3://bucket/folder`."""
    return "://" in path


def absolute(path: str) -> str:
    """Return an absolute path; an address as it is."""
    return path if is_remote(path) else str(Path(path).absolute())


def relative(path: str, folder: Path) -> str:
    """Return a path as a file in a folder names it; an address as it is."""
    return path if is_remote(path) else Path(os.path.relpath(path, folder)).as_posix()


# Addresses of the copies that this process made or took, by their folders.
_COPIES: dict[Path, str] = {}


def address_of(path: Path) -> tuple[str, str]:
    """Return where other machines find a file: its address and its copy below the cache, or its absolute path alone."""
    for folder, address in _COPIES.items():
        if path.is_relative_to(folder):
            return address, path.relative_to(folder.parent).as_posix()
    return str(path.absolute()), ""


def reached(address: str, inside: str) -> Path:
    """Return the path on this machine of what `address_of` gave on another one; an address is copied where it is not.

    Raises:
        InputError: as `located`.
    """
    if not inside:
        return Path(address)
    path = cache_folder("data") / inside
    if not path.exists():
        located(address)
    return path


def located(path: str) -> str:
    """Return the path of a file or folder on this machine: a copy where an address is given.

    A copy is kept in the user's cache, under the address and the versions of its files; changed files are copied again.

    Raises:
        InputError: nothing there, no right to read it, no whole copy, or no library for such addresses.
        ModuleNotFoundError: fsspec is not installed.
    """
    if not is_remote(path):
        return path
    fsspec: Any = importlib.import_module("fsspec")  # of an extra
    copies = cache_folder("data")
    try:
        system, root_path = fsspec.core.url_to_fs(path)
        files = _versions(system, path, root_path)
        if not files:
            raise FileNotFoundError
        root = PurePosixPath(root_path.rstrip("/"))
        # An address of HTTP may end with a signature.
        name = root.name.partition("?")[0]
        inside = {file: PurePosixPath(name) / PurePosixPath(file).relative_to(root) for file in files}
        if any(".." in inner.parts for inner in inside.values()):
            raise ValueError("a file with '..' in its name")
        folder = copies / hashlib.sha256(repr((path, sorted(files.items()))).encode()).hexdigest()[:32]
        if not folder.is_dir():
            with _room(copies) as room:
                whole = room / "whole"
                for file, inner in inside.items():
                    copy = whole / inner
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    system.get_file(file, str(copy))
                if _versions(system, path, root_path) != files:
                    raise OSError("files that changed while they were copied")
                try:
                    whole.rename(folder)
                except OSError:
                    if not folder.is_dir():  # no other process copied it meanwhile
                        raise
    except Exception as error:  # noqa: BLE001 - each storage library has errors of its own, such as of credentials
        # Such an error has only the name that was asked for.
        reason = "nothing there" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:160]
        do = "Check the address, and the rights to read it"
        raise UnreadableFileError("data that can be read", reason or type(error).__name__, path, do) from None
    _COPIES[folder] = path
    return str(folder / name)


@contextmanager
def _room(copies: Path) -> Iterator[Path]:
    """Provide a folder in the cache to copy to; remove those of processes that were killed while they copied."""
    copies.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with (copies / ".lock").open("w") as every:
            lock(every, wait=True)  # nobody is between a new folder and its lock
            for left in copies.glob("tmp*") if os.name == "posix" else ():
                with suppress(OSError), (left / "lock").open("w") as file:
                    if lock(file):
                        shutil.rmtree(left)
            room = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=copies, ignore_cleanup_errors=True)))
            lock(stack.enter_context((room / "lock").open("w")))
        yield room


def _versions(system: Any, path: str, root_path: str) -> dict[str, str]:  # noqa: ANN401 - of an untyped library
    """Return what says that a file is another one than before, for each file at an address."""
    system.invalidate_cache()  # a process lives longer than a listing holds
    # Over HTTP all is a file; a folder is asked for by its slash, because else a whole table would be read for links.
    if not path.endswith("/") and system.info(root_path)["type"] == "file":
        names = [root_path]
    else:
        names = sorted(system.find(root_path))
    # The keys of HTTP are of addresses alone; what is known of a file has its size and its date.
    return {name: f"{system.ukey(name)} {system.info(name)}" for name in names}
