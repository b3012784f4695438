"""`edgewright device watch`: alarms of people in zones and counts across lines, of a camera, a folder or a stream."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from edgewright.cli.command import Stream, argument, declare, option
from edgewright.cli.options import FOLDER
from edgewright.core.errors import DONE, MissingExtraError, OptionFormatError, OutputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds of waiting for a picture, and between looks for pictures whose time is over.
_WAIT, _EXPIRE = 1.0, 60.0
T = TypeVar("T")


@declare(example="runs/camera/person --config camera.toml --source camera:/dev/video0 --out events")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    config: Path = option(required=True, metavar="FILE", help="Zones, lines and how long pictures stay."),
    source: str = option(required=True, metavar="camera:PLACE", help="A camera, a recorded stream, or a folder."),
    out: Path = option(type=FOLDER, default=Path("events"), help="Folder of the pictures of events."),
    begin: str = option(metavar="TIME", help="Local time of the first picture of a recording, as 2026-01-05T22:00."),
) -> Stream:
    """Watch a camera: alarms of people in zones, and people counted across lines.

    Motion is found in integers; only what moves is shown to the network. Each alarm leaves a picture that is blurred
    outside of its zone, and is deleted after `keep_hours`, also after a restart or when the clock is set.
    """
    try:
        import PIL  # noqa: F401 - of an extra
    except ModuleNotFoundError:
        raise MissingExtraError("camera", "Pillow") from None
    from edgewright.core.predictor import load
    from edgewright.core.toml_tables import convert_table, read_toml
    from edgewright.device.camera.events import EventFolder, hidden
    from edgewright.device.camera.watch import Planes, Watch, WatchSettings, classifier
    from edgewright.device.sources import short_source

    settings = convert_table(read_toml(config, "a watching camera"), WatchSettings, str(config))
    started = _time(begin)
    predictor = load(package)
    watch = Watch(settings, classifier(predictor, settings.label), predictor.manifest.shape[1:])
    zones = {zone.name: zone.points for zone in settings.zones}
    named = short_source(source)
    if named.kind != "camera":
        raise SourceError("a source of pictures", named.kind, "--source", "Name it: camera:/dev/video0")
    camera = named.open(("red", "green", "blue"))
    try:
        folder = EventFolder(out, settings.keep_hours * 3600, settings.keep_mb * 1e6)
        looked = time.monotonic()
        while not camera.ended():
            if time.monotonic() - looked >= _EXPIRE:
                looked = time.monotonic()
                _unless_full(folder.expire)
            for packet in camera.read(_WAIT):
                if packet.notice:
                    click.echo(packet.notice, err=True)
                for values, moment in zip(packet.values, packet.time, strict=True):
                    local = started + timedelta(seconds=float(moment)) if started else datetime.now()
                    planes = values.astype("uint8")
                    second = local.hour * 3600 + local.minute * 60 + local.second
                    for event in watch.look(Planes(planes), second):
                        record = {"time": local.isoformat(timespec="seconds"), **msgspec.to_builtins(event)}
                        if event.kind == "alarm":
                            picture = hidden(planes, zones[event.name], settings.coarse)
                            path = _unless_full(partial(folder.add, picture, record))
                            record["picture"] = None if path is None else str(path)
                        yield record
    finally:
        camera.close()
    return DONE


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise OptionFormatError("a time such as 2026-01-05T22:00", repr(text), "--begin") from None


def _unless_full(write: Callable[[], T]) -> T | None:
    """Return what was written, or say why not: a full disk ends no watch."""
    try:
        return write()
    except OutputError as error:
        click.echo(str(error), err=True)
        return None
