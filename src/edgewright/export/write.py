"""Writing the files of a target into a folder: all of them whole, or none over what is there."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.files import write_atomic
from edgewright.schema.errors import InputError, OutputError

# Bytes; file systems take 255, and the temporary name is longer.
_LONGEST_NAME = 200
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


def write_files(folder: Path, files: dict[str, bytes], *, force: bool = False) -> dict[Path, bytes]:
    """Write files, each under another name first.

    Args:
        folder: made when it is not there.
        files: bytes by file name; a folder inside stands before a slash.
        force: replace files of these names.

    Returns:
        The bytes by path.

    Raises:
        InputError: when one of them is there already with other bytes, and `force` is not given; for a name that leads
            out of the folder.
        OutputError: when the folder cannot be written.
    """
    for name in files:
        _check_name(name)
    paths = {folder / name: data for name, data in sorted(files.items())}
    for path in paths:
        if path.is_dir():
            raise InputError(
                "a folder without that name", "one that has a folder of it", str(path), "Choose another --out"
            )
    if not force:
        for path, data in paths.items():
            if path.exists() and not (path.is_file() and path.read_bytes() == data):
                raise InputError(
                    "a folder without that file", "one that has it", str(path), "Use --force to replace it"
                )
    try:
        for path in (folder / name for name in sorted({"", *(str(Path(name).parent) for name in files)})):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("to make a folder", error.strerror or str(error), str(error.filename or folder)) from None
    for path, data in paths.items():
        write_atomic(path, data)
    return paths


def _check_name(name: str) -> None:
    """Names come from packages and models, too: none may lead out of the folder, or be none of a file."""
    parts = name.split("/")
    longest = len(name.encode("utf-8", "replace")) > _LONGEST_NAME
    hidden = any(not part or part.startswith(".") for part in parts)
    if longest or hidden or any(c in _NOT_IN_NAMES or not c.isprintable() for part in parts for c in part):
        got = repr(name if len(name) <= 40 else name[:40] + "...")
        raise InputError("a plain name for the files", got, "the name of the model", "Give another with --name")
