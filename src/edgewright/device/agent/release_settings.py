"""Settings that a release brings: a part of device.toml below `settings/` of its package, under the device's own.

They are read from the package that runs. They are therefore tested, activated and taken back together with its model,
and need no writes of their own.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from edgewright.core.archive import DAMAGED
from edgewright.core.errors import (
    DeviceSettingsError,
    FileTooLargeError,
    InputError,
    ReleaseSettingsRefusedError,
    SecretError,
    UnknownNameError,
)
from edgewright.core.files import os_errors
from edgewright.core.state_machine.table import read_table
from edgewright.core.toml_tables import parse_toml, read_toml
from edgewright.device.agent.packages import SETTINGS
from edgewright.device.agent.plan import make_plan
from edgewright.device.agent.secrets import PREFIX, secret_names
from edgewright.device.agent.settings import Configured, check_settings
from edgewright.device.boards.configuration import check_apart
from edgewright.device.configuration import CommandEntry, PackageEntry

FILE = "device.toml"
KEYS = ("agent", "timeline", "drift", "source", "detectors", "rules", "sink")
"""What a release may set: names, stores, commands, further packages and boards belong to each device."""
NAME = "package"
"""Of a package with settings, in events and tables, after its file on a device."""
_SECRETS = ("password_file", "token_file", "key_file")
_PATHS = {"path", "sysfs", "dev", "ca"}
"""Keys of sources that name a file."""
_PORTS = {("camera", "path"), ("serial", "port"), ("modbus", "serial")}
"""Kinds and keys of sources that may name a device below /dev."""
_SOUND_CARD = re.compile(r"(default|sysdefault|dsnoop|(plug)?hw|pulse|pipewire|jack)(:[A-Za-z0-9_,=]*)?")
"""Names of microphones; ALSA's other plugins read and write files."""
_LARGEST = 16 << 20


def carried_files(package: Path) -> dict[str, bytes]:
    """Return the files below `settings/` of a package by their names there; none where it carries none.

    Raises:
        InputError: no package, or more than 16 MiB.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            members = [member for member in archive.infolist() if member.filename.startswith(SETTINGS)]
            if sum(member.file_size for member in members) > _LARGEST:
                raise FileTooLargeError(f"settings of at most {_LARGEST >> 20} MiB", "more", str(package))
            return {member.filename.removeprefix(SETTINGS): archive.read(member) for member in members}
    except DAMAGED as error:
        raise DeviceSettingsError("a package", str(error), str(package)) from None


def collect_files(path: Path) -> dict[str, bytes]:
    """Return settings for a release and the tables and detectors that they name, as `carried_files` gives them.

    Raises:
        InputError: a file cannot be read, or lies elsewhere than in the folder of the settings.
    """
    table = read_toml(path, "settings of a release")
    files = {FILE: path.read_bytes()}
    for name in _named_files(table, path.name):
        with os_errors(InputError, f"the file {name!r} that {path.name} names", path.parent / name):
            files[name] = (path.parent / name).read_bytes()
            if not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
                raise ReleaseSettingsRefusedError(
                    "a file below the folder of the settings", "a link out of it", str(path.parent / name)
                )
    return files


def settings_with(package: Path, config: Path | None, *, desk: bool = False) -> Configured:
    """Return the settings of a device, and beneath them those that the package carries.

    A key that the device has itself stays. Tables are merged key by key; a list such as `[[rules]]` is one key.

    Args:
        package: file of the package.
        config: device.toml; None for none.
        desk: secrets are those of any device.

    Raises:
        UnknownNameError: for a key that no release may set, and as `check_settings`.
        InputError: settings cannot be read or do not fit together, name a file that the package lacks, or read a file
            that is not below the data folders of the device.
    """
    own = {} if config is None else read_toml(config, "a configuration")
    where, folder = ("the settings", Path()) if config is None else (config.name, config.parent)
    configured = check_settings(own, folder, where, secrets=not desk)
    files = carried_files(package)
    if not files:
        return configured
    title, inside = f"{FILE} of the release", package.absolute() / SETTINGS
    if FILE not in files:
        raise ReleaseSettingsRefusedError(f"a file {SETTINGS}{FILE}", "none", str(package))
    carried = parse_toml(files[FILE], title)
    names = _named_files(carried, title)
    for name in names:
        if name not in files:
            raise ReleaseSettingsRefusedError("a file that the release carries", repr(name), title)
    for key in ("detectors", "rules"):
        for entry in carried.get(key, ()):
            entry["path"] = str(inside / entry["path"])
    if not desk:
        _confine(carried, own, configured.settings.data_folders, folder, title)
    merged, kept = _merge(carried, own)
    configured = check_settings(merged, folder, f"{where} with {title}" if own else title, secrets=not desk)
    source = merged.get("source", {})
    if source.get("kind") == "serial":
        check_apart(configured.settings.boards, str(source.get("port", "")), title)
    settings = configured.settings
    # An older package, or this one without them, does not stand in for a model with its settings.
    strict = msgspec.structs.replace(settings, agent=msgspec.structs.replace(settings.agent, keep_old=False))
    contents = {str(inside / name): files[name] for name in names}
    return msgspec.structs.replace(configured, settings=strict, files=contents, kept=kept)


def check_carried(package: Path, config: Path | None = None, *, desk: bool = False) -> tuple[str, ...]:
    """Check what a package carries as a device does before it activates it; names that a device must have itself.

    Args:
        package: its file, with settings.
        config: device.toml of this device; None for none.
        desk: programs that rules start and secrets are those of any device.

    Raises:
        CheckFailedError: the test vectors of a package fail.
        UnknownNameError, InputError: as `settings_with`, or its tables and detectors do not fit the package.
    """
    configured = settings_with(package, config, desk=desk)
    carried = parse_toml(carried_files(package)[FILE], FILE)
    settings = configured.settings
    commands = dict(settings.commands)
    if desk:
        tables = [read_table(Path(rule.path), configured.files.get(rule.path)) for rule in settings.rules]
        names = sorted({action.command for table in tables for action in table.actions if action.command})
        commands = {name: CommandEntry(run=("/",)) for name in names}
    packages = (PackageEntry(path=str(package), name=NAME), *settings.packages)
    make_plan(msgspec.structs.replace(settings, packages=packages, commands=commands), Path(), configured.files)
    if not desk:
        for way in configured.ways:
            way.open().close()  # waits for nothing
        return ()
    secrets = (f"secret {name}" for name in sorted(set(secret_names(carried))))
    return (*(f"command {name}" for name in commands), *secrets)


def _confine(
    carried: Mapping[str, Any], own: Mapping[str, Any], roots: Sequence[str], folder: Path, where: str
) -> None:
    """Check that what a release reads and writes is below the data folders of the device.

    Links and `..` are resolved. A key that the device sets itself counts instead of the release's. Cameras and serial
    ports below /dev are no files.

    Raises:
        InputError: a path is elsewhere.
    """
    resolved = [(folder / root).resolve() for root in roots]
    source, mine = carried.get("source", {}), own.get("source", {})
    paths: list[tuple[str, str, bool]] = []
    if not mine or mine.get("kind") == source.get("kind"):
        given = {key: value for key, value in source.items() if key not in mine}
        kind = source.get("kind")
        paths += [
            (str(value), f"source.{key}", (kind, key) in _PORTS) for key, value in given.items()
            if key in _PATHS or (kind, key) in _PORTS
        ]  # fmt: skip
        # Certificate and key follow policy and mode.
        paths += [(value, "source.security", False) for value in str(given.get("security", "")).split(",")[2:]]
        if kind == "wav" and not _SOUND_CARD.fullmatch(str(given.get("device", "default"))):
            raise ReleaseSettingsRefusedError(
                "a sound card such as plughw:1,0", repr(given["device"]), f"{where} source.device"
            )
    for number, sink in enumerate(() if "sink" in own else carried.get("sink", ())):
        if sink.get("kind") == "folder":
            paths.append((str(sink.get("path", "")), f"sink[{number}].path", False))
    for value, at, is_port in paths:
        path = (folder / value).resolve()
        if value in ("", "-") or value.startswith(PREFIX) or any(path.is_relative_to(root) for root in resolved):
            continue
        if not (is_port and path.is_relative_to("/dev") and (path.is_char_device() or not path.exists())):
            do = "Name the folder in data_folders of device.toml, or set this key there"
            raise ReleaseSettingsRefusedError(
                "a path below the data folders of this device", repr(value), f"{where} {at}", do
            )


def _named_files(table: Mapping[str, Any], where: str) -> list[str]:
    """Return the files that settings of a release name, after a check of their keys and values."""
    for key in table:
        if key not in KEYS:
            raise UnknownNameError("key of a release's settings", key, KEYS, where)
    check_settings(dict(table), Path(), where, secrets=False)
    sinks = {f"[[sink]] {number}": entry for number, entry in enumerate(table.get("sink", ()), 1)}
    for name, entry in {"[source]": table.get("source", {}), **sinks}.items():
        for key in _SECRETS:  # a release must not send any other file of a device as a token
            if not str(entry.get(key) or PREFIX).startswith(PREFIX):
                raise SecretError("a secret by name, such as secret:NAME", repr(entry[key]), f"{where} {name} {key}")
    names = [str(entry["path"]) for key in ("detectors", "rules") for entry in table.get(key, ())]
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or name in (FILE, ".") or name != str(path):
            raise ReleaseSettingsRefusedError(
                f"a plain path below the folder of the settings, other than {FILE}", repr(name), where
            )
    return names


def _merge(carried: dict[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return both tables as one, and the keys of the device that differ from the release's."""
    merged, kept = {**carried, **own}, []
    for key in sorted(carried.keys() & own.keys()):
        given, mine = carried[key], own[key]
        if isinstance(mine, dict) and (key != "source" or mine.get("kind") == given.get("kind")):
            merged[key] = {**given, **mine}
            kept += [f"{key}.{name}" for name in sorted(given.keys() & mine.keys()) if given[name] != mine[name]]
        elif given != mine:
            kept.append(key)
    return merged, tuple(kept)
