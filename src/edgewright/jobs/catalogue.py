"""Jobs by name: folders of `examples` in a checkout or an installed package, or a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import edgewright
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import JobSpec

TABLE = "job.toml"


def examples() -> Path:
    """Return the folder of the jobs that come with Edgewright."""
    package = Path(edgewright.__file__).parent
    carried = package / "examples"
    return carried if carried.is_dir() else package.parents[1] / "examples"


def shipped_jobs() -> tuple[str, ...]:
    """Return the names of the jobs that come with Edgewright."""
    return tuple(sorted(path.parent.name for path in examples().glob(f"*/{TABLE}")))


def job_folder(name: str) -> Path:
    """Return the folder of a job.

    Args:
        name: of a shipped job, or a folder with `job.toml`.

    Raises:
        UnknownNameError: neither.
        InputError: a folder without a job.
    """
    if name in shipped_jobs():
        return examples() / name
    path = Path(name)
    if not path.is_dir():
        raise UnknownNameError("job", name, shipped_jobs(), "edgewright jobs run")
    if not (path / TABLE).is_file():
        raise InputError(
            f"a folder with {TABLE}", "none in it", str(path), "Make one: edgewright jobs new NAME --data FILE"
        )
    return path


def read_job(folder: Path) -> JobSpec:
    """Return the table of a job.

    Raises:
        InputError: it is no TOML, or a key or value does not fit.
    """
    return convert_table(read_toml(folder / TABLE, "a job"), JobSpec, f"{folder.name} {TABLE}")
