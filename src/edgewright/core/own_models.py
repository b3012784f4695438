"""Models of the user: a folder with a record each, which `edgewright models add` writes, and the choice of one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from edgewright.core.archive import decode_versioned
from edgewright.core.errors import MissingFileError, OwnModelError, UnknownNameError
from edgewright.core.files import data_folder

RECORD = "record.json"


def models_folder() -> Path:
    """Where models are kept: $EDGEWRIGHT_MODELS, else `edgewright/models` in $XDG_DATA_HOME or ~/.local/share."""
    return data_folder("models")


def read_record(folder: Path) -> OwnModel | None:
    """Return the record of a folder; None where it is no registered model.

    Raises:
        InputError: a record that is damaged, of a newer version, or cannot be read.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OwnModelError("the record of a model", error.strerror or str(error), str(path)) from None
    do = f"Remove {folder} and add the model again"
    record = decode_versioned(content, OwnModel, VERSION, "model record", "the record of a model", str(path), do)
    # A folder that was copied or renamed is a model of its own.
    return msgspec.structs.replace(record, name=folder.name)


def own_models() -> list[OwnModel]:
    """Return the records of all registered models, the newest first.

    Raises:
        InputError: the folder or a record cannot be read.
    """
    try:
        folders = [path for path in models_folder().iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OwnModelError("the folder of your models", error.strerror or str(error), str(models_folder()),
                         "Correct its permissions, or set EDGEWRIGHT_MODELS to another folder") from None  # fmt: skip
    records = [record for folder in folders if (record := read_record(folder)) is not None]
    return sorted(records, key=lambda record: (record.added, record.name), reverse=True)


def own_model(name: str) -> OwnModel:
    """Return the record of a name.

    Raises:
        UnknownNameError: no model of that name is registered.
    """
    records = {record.name: record for record in own_models()}
    if name not in records:
        raise UnknownNameError("model of yours", name, records)
    return records[name]


class Chosen(NamedTuple):
    """The path that a loader takes, and the record where the model is a registered one."""

    path: Path | None = None
    record: OwnModel | None = None


def choose(role: str, given: Path | None = None, *, name: str | None = None) -> Chosen:
    """Return the model to use: the one that was given, else a registered one, else none.

    Args:
        role: of the model.
        given: a path, or the name of a registered model where no such path exists.
        name: only a model of this name will do, whatever its role: what an index or a head was built with.

    Raises:
        InputError: files of the registered model were changed or removed.
    """
    if given is not None and (given.exists() or len(given.parts) != 1):
        return Chosen(given)
    wanted = name if given is None else given.name
    for record in own_models():
        if record.name == wanted or (wanted is None and record.role == role):
            _check(record)
            return Chosen(models_folder() / record.name / record.main, record)
    return Chosen(given)


def _check(record: OwnModel) -> None:
    for file in record.files:
        path = models_folder() / record.name / file.path
        size = path.stat().st_size if path.is_file() else -1
        if size != file.size_bytes:
            raise MissingFileError(
                f"a file of {file.size_bytes:,} bytes", "no such file" if size < 0 else f"{size:,} bytes", str(path),
                f"Remove the model and add it again: edgewright models remove {record.name}",
            )  # fmt: skip


def hash_of(folder: Path) -> str:
    """Return the SHA-256 of the registered model in a folder; empty for other folders."""
    record = read_record(folder) if folder.resolve().parent == models_folder().resolve() else None
    return record.sha256 if record else ""


VERSION = 1


class OwnFile(msgspec.Struct, frozen=True):
    """A file of a registered model: its path in the model's folder, its bytes and its SHA-256."""

    path: str
    size_bytes: int
    sha256: str


class OwnModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the user.

    Attributes:
        name: name of its folder.
        kind: name of the kind in `language/own_models/kinds.py`.
        role: what it is used as: 'text', 'picture', 'sound', 'backbone' or 'phrasing'.
        sha256: SHA-256 of the paths and hashes of its files.
        licence: as its files or the user say.
        source: path that it was copied from.
        added: time in UTC, ISO 8601; the newest model of a role is the one that is used.
        main: what loaders take: path of a file in the folder; empty for the folder itself.
        files: copies, without the record.
        self_test: what the self-test measured.
        version: of this format.
    """

    name: str
    kind: str
    role: str
    sha256: str
    licence: str
    source: str
    added: str
    main: str = ""
    files: tuple[OwnFile, ...] = ()
    self_test: dict[str, str | int | float] = {}
    version: int = VERSION

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)
