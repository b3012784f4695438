"""A package or a run folder, ready to answer."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.engines import MANY_ROWS
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.schema.errors import InputError


def package_path(place: str | Path) -> Path:
    """The package of a run folder, or the path itself when it is a file.

    Raises:
        InputError: nothing there, or a run folder without a package (one that was refused).
    """
    path = Path(place)
    if not path.exists():
        raise InputError(
            "a run folder or a package", "no such file", str(path), "Make one with: edgewright run activity"
        )
    if path.is_file():
        return path
    found = sorted(path.glob("*.edge"))
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError("one package", f"{len(found)}", str(path), "Name the file itself")
    if (path / "trace.json").exists():
        raise InputError(
            "a package in the run folder", "none: the run was refused", str(path), "Its trace.json says why"
        )
    raise InputError("a run folder with a package", "a folder without one", str(path))


def load(
    place: str | Path, *, form: str | None = None, engine: str | None = None, rows: float = MANY_ROWS
) -> Predictor:
    """Opens a package, runs its test vectors through the engine, and gives what answers.

    Args:
        place: a run folder or a `.edge` file.
        form: 'float' or 'int8'; the package's default when None.
        engine: a file of `core/engines`; the fastest for this model on this machine when None.
        rows: how many rows it is going to answer.

    Raises:
        InputError: damaged, altered, or of a newer format.
        CheckFailedError: the test vectors give other answers here.
    """
    return Predictor(read_package(package_path(place)), form=form, engine=engine, rows=rows)
