"""Writing the files of a target into a folder: all of them whole, or none over what is there."""

from __future__ import annotations

from pathlib import Path

from edgewright.runtime.files import write_atomic
from edgewright.schema.errors import InputError, OutputError


def write_files(folder: Path, files: dict[str, bytes], *, force: bool = False) -> dict[Path, bytes]:
    """Writes files, each under another name first.

    Args:
        folder: made when it is not there.
        files: bytes by file name.
        force: replace files of these names.

    Returns:
        The bytes by path.

    Raises:
        InputError: when one of them is there already with other bytes, and `force` is not given.
        OutputError: when the folder cannot be written.
    """
    paths = {folder / name: data for name, data in sorted(files.items())}
    if not force:
        for path, data in paths.items():
            if path.exists() and not (path.is_file() and path.read_bytes() == data):
                raise InputError(
                    "a folder without that file", "one that has it", str(path), "Use --force to replace it"
                )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("to make a folder", error.strerror or str(error), str(folder)) from None
    for path, data in paths.items():
        write_atomic(path, data)
    return paths
