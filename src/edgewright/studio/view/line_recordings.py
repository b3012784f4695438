"""Recordings of a serial line or of a CSV file that grows, written as rows come, whether a page is open or not."""

from __future__ import annotations

import csv
import math
import secrets
import threading
from pathlib import Path

import msgspec

from edgewright.device.recording import LOOK, probe_source
from edgewright.device.sources import Source, Stream, kind, read_unstored
from edgewright.device.timeline import Timeline, TimelineConfig
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.paths import below, exists
from edgewright.trace.journal import FOLDER

_MAX_GOING, _MAX_BYTES = 4, 64 << 20
_DEVICES = ("serial/by-id/*", "ttyUSB*", "ttyACM*")


class LineRecording:
    """One recording, under way until `stop`.

    Args:
        path: of its file, which no other recording has.
        source: of the rows.
        title: where they come from, for people.

    Attributes:
        columns, rate, rows: what came until now.
        notice: what the source said last: that its port vanished, or that its bytes are no rows.
        trouble: why it ended; empty while it goes on.
    """

    def __init__(self, path: Path, source: Source, title: str) -> None:
        self.path, self.title = path, title
        self.columns: tuple[str, ...] = ()
        self.rate, self.rows, self.notice, self.trouble = 0.0, 0, "", ""
        self._source, self._stopping = source, threading.Event()
        self._thread = threading.Thread(target=self._record, name=f"recording of {title}", daemon=True)
        self._thread.start()

    @property
    def going(self) -> bool:
        """Whether rows may still come."""
        return self._thread.is_alive()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.rows / self.rate if self.rate else 0.0

    def stop(self) -> None:
        """End it, and wait until its last row is written and its source is closed."""
        self._stopping.set()
        self._thread.join()

    def _record(self) -> None:
        try:
            stream = self._source.open()
            try:
                self._write(stream)
            finally:
                stream.close()
        except (EdgewrightError, OSError) as error:
            self.trouble = " ".join(str(error).split())

    def _write(self, stream: Stream) -> None:
        probe = probe_source(stream, stream.rate, stopped=self._stopping.is_set)
        self.columns, self.rate = probe.columns, probe.rate
        timeline, packets, begin = Timeline(probe.rate, probe.columns, TimelineConfig()), probe.packets, None
        with self.path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("time", *probe.columns))
            while not self._stopping.is_set():
                for packet in packets:
                    self.notice = packet.notice or ("" if len(packet.values) else self.notice)
                    for piece in timeline.push(packet)[0]:
                        begin = float(piece.time[0]) if begin is None else begin
                        for moment, row in zip(piece.time.tolist(), piece.values.tolist(), strict=True):
                            cells = ("" if math.isnan(value) else f"{value:.9g}" for value in row)
                            writer.writerow((f"{moment - begin:.6f}", *cells))
                        self.rows += len(piece.time)
                file.flush()
                if file.tell() > _MAX_BYTES:
                    raise InputError(
                        f"at most {_MAX_BYTES >> 20} MiB", "more", "the recording", "Keep it and record on"
                    )
                packets = tuple(read_unstored(stream, LOOK))


class LineRecordings:
    """The recordings of a studio's folder: those under way, and those that an earlier studio left.

    Args:
        root: the studio's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / FOLDER / "lines"
        self._known: dict[str, LineRecording] = {}

    def begin(self, location: str, baud: str, rate: str) -> str:
        """Begin a recording, and return its name.

        Args:
            location: of a device such as '/dev/ttyUSB0', or of a CSV file below the studio's folder.
            baud: bits a second of a serial line as text; empty where nobody says.
            rate: rows a second as text; empty where a column or the arrival of rows says it.

        Raises:
            InputError: a source that cannot be read, or too many recordings at once.
            HTTPException: 404 for a file that is not there.
        """
        if sum(recording.going for recording in self._known.values()) >= _MAX_GOING:
            raise InputError(f"at most {_MAX_GOING} recordings at once", "more", "", "Keep or delete one")
        name, settings = "csv", {"path": location, "rate": rate}
        if location.startswith("/"):
            if not exists(Path(location)) or not Path(location).is_char_device():
                raise InputError("a serial line such as /dev/ttyUSB0", location[:80], "", "Plug the device in")
            name, settings = "serial", {"port": location, "baud": baud, "rate": rate}
        else:
            settings["path"] = str(below(self._root, location))
        try:
            given = {key: text for key, text in settings.items() if text}
            source = Source(name, msgspec.convert(given, kind(name).config, strict=False))
        except msgspec.ValidationError as error:
            raise InputError("bits and rows a second as numbers", str(error), location) from None
        self._folder.mkdir(parents=True, exist_ok=True)
        key = secrets.token_hex(8)
        self._known[key] = LineRecording(self._folder / f"{key}.csv", source, location)
        return key

    def listed(self) -> dict[str, LineRecording | None]:
        """Return all recordings by name; None for those that an earlier studio left."""
        return {**{path.stem: None for path in sorted(self._folder.glob("*.csv"))}, **self._known}

    def end(self, name: str) -> Path:
        """End a recording, forget it, and return its file, which is not there where no row came."""
        recording = self._known.pop(name, None)
        if recording is not None:
            recording.stop()
        return self._folder / f"{name}.csv"


def ports() -> list[str]:
    """Return the serial lines that are plugged in."""
    return sorted(str(path) for pattern in _DEVICES for path in Path("/dev").glob(pattern))
