"""`device.toml` read and checked to the last key, before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgewright.core.errors import (
    DeviceSettingsError,
    ProgramRefusedError,
    UnknownNameError,
)
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.device import sinks, sources
from edgewright.device.agent.secrets import PREFIX, secret_file
from edgewright.device.boards.configuration import check_boards
from edgewright.device.configuration import AgentSettings, CommandEntry
from edgewright.device.timeline import TimelineConfig

"""First word of a program: the Python that runs the agent, with the wheels of its release."""
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
# Keys of sources, sinks and the store that name a file.
_FILES = ("path", "ca", "ca_file", "certificate", "key_file", "password_file", "token_file")


class SinkEntry(msgspec.Struct, frozen=True):
    """A kind of sink with its settings."""

    kind: str
    config: sinks.SinkConfig

    def open(self) -> sinks.Sink:
        """Open it."""
        return sinks.kind(self.kind).open(self.config)


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that were checked; paths are whole.

    Attributes:
        settings: as written.
        source: None where the command line must name one.
        timeline: how rows are treated.
        ways: sinks in order.
        files: tables and detectors that a release carries, by their whole paths.
        kept: keys in which the device's own settings differ from those of its release.
    """

    settings: AgentSettings
    source: sources.Source | None
    timeline: TimelineConfig
    ways: tuple[SinkEntry, ...]
    files: dict[str, bytes] = msgspec.field(default_factory=dict)
    kept: tuple[str, ...] = ()


def read_settings(path: Path | None) -> Configured:
    """Read a configuration; without a file everything has its default.

    Raises:
        UnknownNameError: for a key, a kind or a value that is not known, with the known ones.
        InputError: it is no TOML, or a value does not fit.
    """
    if path is None:
        return check_settings({}, Path(), "the settings")
    return check_settings(read_toml(path, "a configuration"), path.parent, path.name)


def check_settings(table: dict[str, Any], folder: Path, where: str, *, secrets: bool = True) -> Configured:
    """Check a configuration's table.

    Args:
        table: as read.
        folder: from which paths of packages, detectors and tables are seen.
        where: its name in messages.
        secrets: whether secrets that it names must be there.

    Raises:
        InputError: as `read_settings`.
    """

    def files_of(entry: S, part_name: str) -> S:
        return _files_of(entry, folder, f"{where} {part_name}", secrets)

    settings = convert_table(table, AgentSettings, where)
    for name, command in settings.commands.items():
        _check_command(name, command, where)
    check_boards(settings.boards, where)
    source = None
    if settings.source:
        kind, rest = _kind(settings.source, f"{where} source", "a source")
        part = _named(sources.kind, kind, f"{where} source.kind")
        source = sources.Source(kind, files_of(convert_table(rest, part.config, f"{where} source"), "source"))
    ways = []
    for index, entry in enumerate(settings.sink):
        kind, rest = _kind(entry, f"{where} sink[{index}]", "a sink")
        sink = _named(sinks.kind, kind, f"{where} sink[{index}].kind")
        config = files_of(convert_table(rest, sink.config, f"{where} sink[{index}]"), f"sink[{index}]")
        ways.append(SinkEntry(kind, config))
    return Configured(
        settings=msgspec.structs.replace(
            settings,
            packages=tuple(files_of(entry, "packages") for entry in settings.packages),
            detectors=tuple(files_of(entry, "detectors") for entry in settings.detectors),
            rules=tuple(files_of(entry, "rules") for entry in settings.rules),
            store=files_of(settings.store, "store"),
        ),
        source=source,
        timeline=convert_table(settings.timeline, TimelineConfig, f"{where} timeline"),
        ways=tuple(ways),
    )


def _named(find: Callable[[str], T], kind: str, where: str) -> T:
    try:
        return find(kind)
    except UnknownNameError as error:
        raise UnknownNameError(error.kind, error.name, error.known, where) from None


def _kind(table: dict[str, Any], where: str, part: str) -> tuple[str, dict[str, Any]]:
    kind = table.get("kind")
    if not isinstance(kind, str) or not kind:
        raise DeviceSettingsError(f"the `kind` of {part}", "none" if kind is None else repr(kind), where)
    return kind, {key: value for key, value in table.items() if key != "kind"}


def _files_of(settings: S, folder: Path, where: str, secrets: bool) -> S:
    """Return settings whose files are seen from a folder; `-` is standard input, `secret:NAME` a secret."""
    files = {}
    for key in settings.__struct_fields__:
        value = getattr(settings, key)
        if key not in _FILES:
            if isinstance(value, str) and value.startswith(PREFIX):
                do = "A secret is a file: use a key that names one, such as password_file"
                raise DeviceSettingsError("a value", repr(value), f"{where}.{key}", do)
        elif value.startswith(PREFIX):
            files[key] = secret_file(value, folder, f"{where}.{key}", present=secrets)
        elif value not in {"", "-"}:
            files[key] = str(folder / value)
    return msgspec.structs.replace(settings, **files)


def _check_command(name: str, command: CommandEntry, where: str) -> None:
    at = f"{where} commands.{name}.run"
    program = Path(command.run[0])
    if not program.is_absolute():
        raise ProgramRefusedError("the whole path of a program", repr(command.run[0]), at, "PATH is not searched")
    if any("\0" in word for word in command.run):
        raise ProgramRefusedError("arguments without a zero byte", "one", at)
