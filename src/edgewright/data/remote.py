"""Data at an address that fsspec opens, such as `s3://bucket/rows.csv`: copied once to each machine that reads it."""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from edgewright.core.files import cache_folder
from edgewright.schema.errors import InputError


def is_remote(path: str) -> bool:
    """Return whether a path is an address, such as `s3://bucket/folder`."""
    return "://" in path


def absolute(path: str) -> str:
    """Return an absolute path; an address as it is."""
    return path if is_remote(path) else str(Path(path).absolute())


def relative(path: str, folder: Path) -> str:
    """Return a path as a file in a folder names it; an address as it is."""
    return path if is_remote(path) else Path(os.path.relpath(path, folder)).as_posix()


def located(path: str) -> str:
    """Return the path of a file or folder on this machine: a copy where an address is given.

    A copy is kept in the user's cache, under the address and the versions of its files; changed files are copied again.

    Raises:
        InputError: nothing there, no right to read it, or no library for such addresses.
        ModuleNotFoundError: fsspec is not installed.
    """
    if not is_remote(path):
        return path
    fsspec: Any = importlib.import_module("fsspec")  # of an extra
    copies = cache_folder("data")
    try:
        system, root_path = fsspec.core.url_to_fs(path)
        # The keys of HTTP are of addresses alone; what is known of a file has its size and its date.
        files = {name: f"{system.ukey(name)} {system.info(name)}" for name in sorted(system.find(root_path))}
        if not files:
            raise FileNotFoundError("nothing there")
        root = PurePosixPath(root_path.rstrip("/"))
        inside = {name: PurePosixPath(root.name) / PurePosixPath(name).relative_to(root) for name in files}
        if any(".." in inner.parts for inner in inside.values()):
            raise ValueError("a file with '..' in its name")
        folder = copies / hashlib.sha256(repr((path, sorted(files.items()))).encode()).hexdigest()[:32]
        if not folder.is_dir():
            copies.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=copies) as room:
                whole = Path(room) / "whole"
                for name, inner in inside.items():
                    copy = whole / inner
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    system.get_file(name, str(copy))
                try:
                    whole.rename(folder)
                except OSError:
                    if not folder.is_dir():  # no other process copied it meanwhile
                        raise
    except Exception as error:  # noqa: BLE001 - each storage library has errors of its own, such as of credentials
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        do = "Check the address, and the rights to read it"
        raise InputError("data that can be read", reason, path, do) from None
    return str(folder / root.name)
