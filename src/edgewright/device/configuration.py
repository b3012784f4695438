"""`device.toml`: what a device's agent is told beyond the package and the source of the command line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.fleet import BoardEntry
from edgewright.device.store.records import StoreConfig

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]
ALL_STREAMS = ("*",)


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[agent]`.

    Attributes:
        summary: seconds of a stream that one summary counts.
        silent: seconds without a row after which a stream is said to be silent.
        slow: seconds from a window's last row to its answer after which the engine is said to be slow.
        streams: most streams at once; the one that was silent longest is forgotten.
        keep: raw rows that the store keeps: 'none', those of windows that raised an 'alarm', or 'all'.
        decisions: whether changes of the decision are stored, or alarms alone.
        keep_old: a package that is refused is replaced by the last one of its name that was proven here; where there is
            none, and without this, the agent does not start.
        disk_free: bytes; with less left on the disk it is said to be nearly full.
        memory: bytes of resident memory beyond which the agent says so; 0: never.
    """

    summary: Seconds = 3600.0
    silent: Seconds = 10.0
    slow: Seconds = 0.5
    streams: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 256
    keep: Literal["none", "alarm", "all"] = "alarm"
    decisions: bool = True
    keep_old: bool = True
    disk_free: Annotated[int, msgspec.Meta(ge=0)] = 64 << 20
    memory: Annotated[int, msgspec.Meta(ge=0)] = 0


class DriftSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[drift]`: whether streams still look as in training.

    Attributes:
        rhythm: seconds in which a stream shows all it does, a day for a room; 0: drift is not looked for.
        false_alarms: a day of a stream that may come of chance.
        sync: whether summaries carry the sketches, which hold the smallest and the largest value of each column.
    """

    rhythm: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0
    false_alarms: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 1 / 7
    sync: bool = False


class PackageEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[packages]]`: one that answers.

    Attributes:
        path: path of the package or run folder, as seen from the configuration's folder.
        name: in events, and of the folder that keeps proven copies; the file's name without its ending when empty.
        streams: patterns (`*`, `?`, `[ab]`) of the streams it answers.
        form, engine: as `edgewright predict` takes them; empty: the package's default, the fastest present.
        rate: rows a second; the package's own, or the source's, when left out.
        decision: instead of the package's own.
    """

    path: Path
    name: Name | Literal[""] = ""
    streams: tuple[str, ...] = ALL_STREAMS
    form: str = ""
    engine: str = ""
    rate: Seconds | None = None
    decision: DecisionSpec | None = None


class DetectorEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[detectors]]`: a detector's file and the streams it watches.

    Attributes:
        path: path of the file.
        name: in events; the file's name without its ending when empty.
        streams: patterns of streams.
        gate: a sample of a package with rows that the detector calls odd decides nothing, as with a sensor that is not
            well.
    """

    path: Path
    name: Name | Literal[""] = ""
    streams: tuple[str, ...] = ALL_STREAMS
    gate: bool = False


class RuleEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[rules]]`: a state table, the streams it follows (a machine each), and the package whose answers it sees.

    Attributes:
        path: path of the table.
        streams: patterns of streams.
        package: name of the package; where there is only one it need not be said, '-' for none.
        columns: further columns that guards ask for, beside those of the package.
        rate: rows a second, for a table without a package.
    """

    path: Path
    streams: tuple[str, ...] = ALL_STREAMS
    package: str = ""
    columns: tuple[str, ...] = ()
    rate: Seconds | None = None


class CommandEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[commands.NAME]`: a program that rules may start by its name. No shell reads it.

    Attributes:
        run: the program, by its whole path, and its arguments.
        seconds: after which it is ended.
    """

    run: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=64)]
    seconds: Seconds = 10.0


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole `device.toml`.

    Attributes:
        device: its name; a random one is made with the store when empty.
        source: `kind`, a file of `device/sources`, and its settings.
        timeline: settings of `device.timeline`.
        drift: whether and how it is looked for.
        packages, detectors, rules: what is at work.
        sink: where the outbox is sent: `kind`, a file of `device/sinks`, and its settings; the next is tried where
            one fails.
        commands: that rules may start; none by default.
        data_folders: folders below which sources of a release may read files; none by default. Sources of this file
            and of the command line may read any file.
        boards: microcontrollers to which the fleet's agent hands weights; without a fleet nobody asks them.
    """

    device: str = ""
    agent: AgentConfig = AgentConfig()
    store: StoreConfig = StoreConfig()
    source: dict[str, Any] = msgspec.field(default_factory=dict)
    timeline: dict[str, Any] = msgspec.field(default_factory=dict)
    drift: DriftSettings = DriftSettings()
    packages: Annotated[tuple[PackageEntry, ...], msgspec.Meta(max_length=1000)] = ()
    detectors: Annotated[tuple[DetectorEntry, ...], msgspec.Meta(max_length=1000)] = ()
    rules: Annotated[tuple[RuleEntry, ...], msgspec.Meta(max_length=1000)] = ()
    sink: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(max_length=16)] = ()
    commands: dict[Name, CommandEntry] = msgspec.field(default_factory=dict)
    data_folders: Annotated[tuple[Path, ...], msgspec.Meta(max_length=64)] = ()
    boards: tuple[BoardEntry, ...] = ()
