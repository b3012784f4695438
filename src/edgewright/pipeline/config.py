"""Reading a pipeline's TOML: a shipped name or a file, with `--set` changes applied before it is checked."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import (
    BackboneMissingError,
    ConfigError,
    InputError,
    MissingFileError,
    OptionFormatError,
    OptionsConflictError,
    TextEncodingError,
    TomlSyntaxError,
    UnknownNameError,
    UnreadableFileError,
    located,
)
from edgewright.core.own_models import choose
from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.core.toml_tables import convert_table
from edgewright.data.contract import SUFFIXES
from edgewright.data.load import find_kind
from edgewright.data.remote import absolute

# Kinds of stages that fill missing values, and those of sound, which seldom misses any.
_FILLING, _SOUND = frozenset({"fill", "impute"}), frozenset({"log_mel", "mfcc"})
# Pipelines that moved to an example; listed for one version.
_MOVED = frozenset({"hapt", "watch"})
# Endings of rows that a pipeline may be chosen for.
_ROWS = (*SUFFIXES["csv"], *SUFFIXES["parquet"], ".wav", ".npz", ".zip")


def shipped() -> tuple[str, ...]:
    """Return names of the pipelines that come with Edgewright."""
    folder = resources.files("edgewright.pipeline").joinpath("shipped")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def is_own_data(name: str) -> bool:
    """Return whether a name is a file or folder of rows where a pipeline may stand too."""
    path = Path(name)
    if name in shipped() or path.suffix == ".toml":
        return False
    return path.is_dir() or path.name.lower().endswith(_ROWS)


def source_text(name: str) -> tuple[str, str]:
    """Return text of a pipeline and what to call it in messages.

    Args:
        name: a shipped pipeline's name or the path of a TOML file.

    Raises:
        InputError: the file is missing or is not text.
        UnknownNameError: neither a file nor a shipped name.
    """
    if name in shipped():
        entry = resources.files("edgewright.pipeline").joinpath("shipped", f"{name}.toml")
        return entry.read_text(encoding="utf-8"), f"{name}.toml"
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        if name in _MOVED:
            raise ConfigError(
                "a current pipeline", f"{name}, which was moved", "edgewright run",
                f"Use {name}.toml of the example: edgewright examples copy activity",
            )  # fmt: skip
        raise UnknownNameError("pipeline", name, shipped(), where="edgewright run")
    try:
        return path.read_text(encoding="utf-8"), path.name
    except FileNotFoundError:
        raise MissingFileError(
            "a pipeline file", "no such file", str(path), f"Shipped are: {', '.join(shipped())}"
        ) from None
    except IsADirectoryError:
        raise UnreadableFileError("a pipeline file", "a folder", str(path), "Pass the .toml file inside it") from None
    except UnicodeDecodeError as error:
        raise TextEncodingError(
            "text in UTF-8", f"byte {error.object[error.start]:#x}", f"{path} byte {error.start}"
        ) from None
    except OSError as error:
        raise UnreadableFileError("a readable file", error.strerror or str(error), str(path)) from None


def names_pipeline(name: str, data: str | None = None) -> bool:
    """Return whether a name stands for a pipeline where it may stand for data too.

    A pipeline is a TOML file, or a name without folder and ending that nothing in the working directory has.

    Args:
        name: as a person wrote it.
        data: a path of the pipeline's data, which says that a pipeline is meant.

    Raises:
        InputError: a shipped pipeline has the name, and so has something in the working directory.
    """
    path = Path(name)
    if name in shipped() and path.exists():
        if data is not None:
            return True
        kind = "folder" if path.is_dir() else "file"
        raise OptionsConflictError(
            f"either the pipeline {name!r} or the {kind} './{name}'", "a name that matches both", name,
            f"For the {kind} write ./{name}; for the included pipeline set its data with --data",
        )  # fmt: skip
    return path.suffix == ".toml" or not (path.exists() or path.suffix or len(path.parts) > 1)


def parse(text: str, where: str, changes: tuple[str, ...] = (), folder: Path | None = None) -> PipelineConfig:
    """Turn TOML text into a checked configuration.

    Args:
        text: of the pipeline.
        where: file name for messages.
        changes: `a.b=v` each; `v` is read as TOML, and as text when that fails.
        folder: of the file; a backbone is first sought in it.

    Raises:
        InputError: syntax errors, unknown keys, wrong types and values out of range, each with its key.
    """
    table = _read_toml(text, where)
    for change in changes:
        _apply(table, change)
    model = table.get("model")
    if folder is not None and isinstance(model, dict) and isinstance(model.get("backbone"), str):
        backbone_path = folder / model["backbone"]
        model["backbone"] = str(backbone_path) if backbone_path.exists() else model["backbone"]
    return checked(table, where)


def checked(table: Mapping[str, Any], where: str) -> PipelineConfig:
    """Return the configuration of a table. Windows of sensors begin with a stage that fills missing readings.

    Args:
        table: as a TOML file gives it.
        where: file name for messages.

    Raises:
        InputError: unknown keys, wrong types and values out of range, each with its key.
    """
    config = convert_table(table, PipelineConfig, where)
    given = table.get("model")
    with located(where):
        model = with_backbone(config.model, isinstance(given, Mapping) and "layers" in given)
    config = msgspec.structs.replace(config, model=model)
    kinds = {kind for stage in config.stages if isinstance(kind := stage.get("kind"), str)}
    if config.window is None or kinds & (_FILLING | _SOUND) or _never_missing(config.data.get("kind")):
        return config
    title = config.stages[0].get("title") if config.stages else None
    first = {"kind": "fill", "title": title} if title else {"kind": "fill"}
    return msgspec.structs.replace(config, stages=(first, *config.stages))


def with_backbone(model: ModelConfig, layers: bool) -> ModelConfig:
    """Return the model's table with its backbone as the first of its layers.

    Args:
        model: as it was written.
        layers: whether it was written with layers.

    Raises:
        InputError: keys of a backbone without one.
    """
    named = {key: getattr(model, key) for key in ("depth", "freeze", "pixels")}
    keys = {key: value for key, value in named.items() if value is not msgspec.UNSET}
    if model.backbone is msgspec.UNSET:
        if keys:
            text = " and ".join(keys)
            raise BackboneMissingError("a backbone", f"{text} without one", "[model]", "Set backbone = 'FILE.tflite'")
        return model
    if model.kind != "network":
        return model
    file = choose("backbone", Path(model.backbone)).path or Path(model.backbone)
    table: dict[str, Any] = {"kind": "backbone", "file": str(file), **keys}
    if file.is_file():
        table["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    pool = ({"kind": "global_average_pool"},) if keys.get("depth", 1.0) < 1.0 else ()
    unset: dict[str, Any] = dict.fromkeys(("backbone", *named), msgspec.UNSET)
    return msgspec.structs.replace(model, layers=(table, *(model.layers if layers else pool)), **unset)


def _never_missing(kind: object) -> bool:
    """Return whether data of a kind miss no reading, as sound does; an unknown kind is refused where it is loaded."""
    try:
        return find_kind(kind, "[data]").whole if isinstance(kind, str) else False
    except InputError:
        return False


def read_config(name: str, changes: tuple[str, ...] = ()) -> PipelineConfig:
    """Read and check a shipped pipeline or a TOML file.

    Relative paths, `[data] path` and `[training] synthetic`, are first sought beside the file.
    """
    text, where = source_text(name)
    config = parse(text, where, changes, None if name in shipped() else Path(name).parent)
    if name in shipped():
        return config
    changed = {change.partition("=")[0].strip() for change in changes}
    folder, path, synthetic = Path(name).parent, config.data.get("path"), config.training.synthetic
    if isinstance(path, str) and path and "data.path" not in changed and (folder / path).exists():
        config = msgspec.structs.replace(config, data={**config.data, "path": str(folder / path)})
    if synthetic and "training.synthetic" not in changed and (folder / synthetic).exists():
        training = msgspec.structs.replace(config.training, synthetic=str(folder / synthetic))
        config = msgspec.structs.replace(config, training=training)
    return config


def with_absolute_paths(config: PipelineConfig) -> PipelineConfig:
    """Return a configuration with absolute paths, which are valid in the folder of any worker."""
    data = {**config.data, "path": absolute(str(config.data["path"]))} if config.data.get("path") else config.data
    profile = absolute(config.device.profile) if config.device.profile.endswith(".toml") else config.device.profile
    layers = tuple({**t, "file": absolute(str(t["file"]))} if "file" in t else t for t in config.model.layers)
    synthetic = config.training.synthetic and absolute(config.training.synthetic)
    return msgspec.structs.replace(
        config, data=data, device=msgspec.structs.replace(config.device, profile=profile),
        model=msgspec.structs.replace(config.model, layers=layers),
        training=msgspec.structs.replace(config.training, synthetic=synthetic),
    )  # fmt: skip


def config_hash(config: PipelineConfig) -> str:
    """SHA-256 of the checked configuration, defaults included, without the place its data and its backbone lie at."""
    return hashlib.sha256(msgspec.json.encode(without_places(config), order="deterministic")).hexdigest()


def without_places(config: PipelineConfig) -> PipelineConfig:
    """Return a configuration without the place its data and its backbone lie at.

    They have hashes of their own, and the same run in another folder must give the same package.
    """
    data = {key: value for key, value in config.data.items() if key != "path"}
    layers = tuple({**t, "file": Path(t["file"]).name} if "file" in t else t for t in config.model.layers)
    training = msgspec.structs.replace(config.training, synthetic=Path(config.training.synthetic).name)
    model = msgspec.structs.replace(config.model, layers=layers)
    return msgspec.structs.replace(config, data=data, model=model, training=training)


def with_changes(config: PipelineConfig, changes: tuple[str, ...]) -> PipelineConfig:
    """Return a checked configuration with `a.b=v` changes, as `--set` would make them in its TOML.

    Raises:
        InputError: as `parse`.
    """
    table: dict[str, Any] = _lists(msgspec.to_builtins(config))
    for change in changes:
        _apply(table, change)
    return checked(table, config.name)


def _lists(value: Any) -> Any:  # noqa: ANN401 - TOML values of any type
    """Return tuples as the lists that a TOML file would give."""
    if isinstance(value, dict):
        return {key: _lists(entry) for key, entry in value.items()}
    return [_lists(entry) for entry in value] if isinstance(value, list | tuple) else value


def _apply(table: dict[str, Any], change: str) -> None:
    """Set one key; in a list a number or a `kind` says which entry: `stages.select.k=5` or `stages.2.k=5`."""
    _encodable(change)
    key, equals, text = change.partition("=")
    where = f"--set {change}"
    if not equals or not key.strip():
        raise OptionFormatError("key=value", repr(change), "--set", "For example: --set training.epochs=30")
    *parents, last = key.strip().split(".")
    location: Any = table
    for name in parents:
        location = _enter(location, name, where)
    value = _value(text.strip(), where)
    if isinstance(location, list):
        location[_index(location, last, where)] = value
    elif isinstance(location, dict):
        location[last] = value
    else:
        raise OptionFormatError("a table or a list", repr(location), where)


def _enter(location: Any, name: str, where: str) -> Any:  # noqa: ANN401 - TOML values of any type
    if isinstance(location, list):
        return location[_index(location, name, where)]
    if isinstance(location, dict):
        return location.setdefault(name, {})
    raise OptionFormatError("a table or a list", repr(location), where)


def _index(entries: list[Any], name: str, where: str) -> int:
    kinds = [entry.get("kind", "") if isinstance(entry, dict) else "" for entry in entries]
    if name.isdecimal() and int(name) < len(entries):
        return int(name)
    if name in kinds:
        return kinds.index(name)
    raise UnknownNameError("entry", name, [k for k in kinds if k] or map(str, range(len(entries))), where)


def _value(text: str, where: str) -> Any:  # noqa: ANN401 - TOML values of any type
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise TomlSyntaxError("a TOML value", _reason(error), where) from None


def _read_toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TomlSyntaxError("valid TOML", _reason(error), where) from None


def _reason(error: Exception) -> str:
    """Return what is wrong, in few words: nesting and numbers without end are refused by Python itself."""
    if isinstance(error, RecursionError):
        return "too many nested brackets"
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    return "a number with too many digits"


def _encodable(change: str) -> None:
    """Bytes of the command line that are no text would break every file they are written to."""
    try:
        change.encode()
    except UnicodeEncodeError as error:
        location = f"--set character {error.start + 1}"
        raise TextEncodingError("text in UTF-8", repr(change[error.start]), location) from None
