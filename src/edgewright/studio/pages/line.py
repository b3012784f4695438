"""Recordings of a serial line or of a CSV file that grows: begun, watched, and kept as a file of the studio's data."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import traceback
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import msgspec

from edgewright.core.files import lock
from edgewright.device.recording import LOOK, RowWriter, probe_source
from edgewright.device.sources import Source, Stream, kind, read_unstored
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.paths import below, exists, keep
from edgewright.studio.web import FormData, HTTPException, RedirectResponse, Request, Response
from edgewright.trace.journal import FOLDER, stat_fields

_MAX_GOING, _MAX_BYTES = 4, 64 << 20
_DEVICES = ("serial/by-id/*", "ttyUSB*", "ttyACM*")
_PSEUDO, _CONSOLES = range(136, 144), 64


class LineRecording:
    """One recording, under way until `stop`.

    Args:
        path: of its file, which no other recording has.
        source: of the rows.
        title: where they come from, for people.

    Attributes:
        columns, rate: of the rows.
        notice: what the source said last: that its port vanished, or that its bytes are no rows.
        trouble: why it ended; empty while it goes on.
    """

    def __init__(self, path: Path, source: Source, title: str) -> None:
        self.path, self.title = path, title
        self.columns: tuple[str, ...] = ()
        self.rate, self.notice, self.trouble = 0.0, "", ""
        self._writer: RowWriter | None = None
        self._source, self._stopping = source, threading.Event()
        self._thread = threading.Thread(target=self._record, name=f"recording of {title}", daemon=True)
        self._thread.start()

    @property
    def going(self) -> bool:
        """Whether rows may still come."""
        return self._thread.is_alive()

    @property
    def rows(self) -> int:
        """How many came until now."""
        return 0 if self._writer is None else self._writer.rows

    @property
    def seconds(self) -> float:
        """How long it is."""
        return 0.0 if self._writer is None else self._writer.seconds

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
        except Exception as error:  # noqa: BLE001 - the page says that the recording ended, whatever ended it
            traceback.print_exception(error, file=sys.stderr)
            self.trouble = f"the recording failed ({type(error).__name__}); the studio's terminal has the traceback"

    def _write(self, stream: Stream) -> None:
        probe = probe_source(stream, stream.rate, stopped=self._stopping.is_set)
        self.columns, self.rate, packets = probe.columns, probe.rate, probe.packets
        hidden = self.path.with_suffix(".new")
        with hidden.open("x", encoding="utf-8", newline="") as file:
            # Another studio of the folder sees by the lock that it goes on; before, the file has another name.
            lock(file, wait=True)
            hidden.rename(self.path)
            writer = self._writer = RowWriter(probe.columns, probe.rate, lambda: file)
            try:
                while not self._stopping.is_set():
                    for packet in packets:
                        self.notice = packet.notice or ("" if len(packet.values) else self.notice)
                        writer.push(packet)
                    file.flush()
                    if file.tell() > _MAX_BYTES:
                        do = "Keep it and record on"
                        raise InputError(f"at most {_MAX_BYTES >> 20} MiB", "more", "the recording", do)
                    packets = tuple(read_unstored(stream, LOOK))
            finally:
                writer.finish()


class LineRecordings:
    """The recordings of a studio's folder: those under way, and those that an earlier studio left.

    Args:
        root: the studio's folder.

    Attributes:
        ending: a lock of each name, held while the recording is kept or deleted: a second click does not do it again.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / FOLDER / "lines"
        self._known: dict[str, LineRecording] = {}
        self.ending: dict[str, threading.Lock] = {}

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
            if not exists(Path(location)) or not is_line(Path(location)):
                raise InputError("a serial line such as /dev/ttyUSB0", location[:80], "", "Plug the device in")
            name, settings = "serial", {"port": location, "baud": baud, "rate": rate}
        else:
            settings["path"] = str(below(self._root, location))
        try:
            given = {key: text for key, text in settings.items() if text}
            source = Source(name, msgspec.convert(given, kind(name).config, strict=False))
        except msgspec.ValidationError:
            got = ", ".join(repr(text[:20]) for text in (baud, rate) if text)
            raise InputError("bits and rows a second as numbers above 0", got, location) from None
        self._folder.mkdir(parents=True, exist_ok=True)
        key = secrets.token_hex(8)
        self._known[key] = LineRecording(self._folder / f"{key}.csv", source, location)
        return key

    def listed(self) -> dict[str, LineRecording | None]:
        """Return all recordings by name; None for those that an earlier studio left.

        Those that another studio of the folder writes now are left out: it alone ends them.
        """
        left = (path.stem for path in sorted(self._folder.glob("*.csv")) if path.stem not in self._known)
        return {**{name: None for name in left if not _is_locked(self._folder / f"{name}.csv")}, **self._known}

    def end(self, name: str) -> Path:
        """End a recording that is listed, forget it, and return its file, which is not there where no row came."""
        recording = self._known.pop(name, None)
        if recording is not None:
            recording.stop()
        return self._folder / f"{name}.csv"


def _is_locked(path: Path) -> bool:
    """Return whether a studio writes a recording."""
    try:
        with path.open("rb") as file:
            return not lock(file, shared=True)
    except FileNotFoundError:
        return False


def is_line(path: Path) -> bool:
    """Return whether a path is a line to a device: no other device, no console, and no terminal that somebody uses.

    Numbers of devices: https://www.kernel.org/doc/Documentation/admin-guide/devices.txt.
    """
    number = path.stat().st_rdev
    major, minor = os.major(number), os.minor(number)
    if not path.is_char_device() or major == 5 or (major == 4 and minor < _CONSOLES):
        return False
    if major in _PSEUDO:
        # As the kernel packs it into what it tells of a process: the terminal of its session.
        packed = str((minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12)
        known = (stat_fields(path.name) for path in Path("/proc").glob("[0-9]*"))
        return all(fields[4:5] != [packed] for fields in known)
    system = Path("/sys/dev/char")
    return not system.is_dir() or (system / f"{major}:{minor}" / "subsystem").resolve().name == "tty"


def ports() -> list[str]:
    """Return the serial lines that are plugged in."""
    return sorted(str(path) for pattern in _DEVICES for path in Path("/dev").glob(pattern))


def line_recordings(request: Request) -> LineRecordings:
    """Return the studio's recordings of lines."""
    studio = studio_of(request)
    return cast(LineRecordings, studio.shared.setdefault("lines", LineRecordings(studio.folder)))


def _form(request: Request, problem: str = "", *, status: int = 200, given: FormData | None = None) -> Response:
    values = {key: text_of(given, key) if given else "" for key in ("source", "baud", "rate")}
    return render(
        request, "line.html", status=status, title="Record", problem=problem, ports=ports(), values=values,
        lines=line_recordings(request).listed(),
    )  # fmt: skip


def _begin(request: Request, form: FormData) -> Response:
    source, baud, rate = (text_of(form, key).strip() for key in ("source", "baud", "rate"))
    try:
        name = line_recordings(request).begin(source, baud, rate)
    except HTTPException:
        gone = InputError("a serial line, or a CSV file below the studio's folder", repr(source[:80]))
        return _form(request, error_text(gone), status=400, given=form)
    except EdgewrightError as error:
        return _form(request, error_text(error), status=400, given=form)
    return RedirectResponse(f"/line/{name}", 303)


def _show(request: Request) -> Response:
    name = str(request.path_params["name"])
    lines = line_recordings(request).listed()
    if name not in lines:
        raise HTTPException(404, "Recording not found.")
    return render(request, "line_going.html", title="Recording", name=name, recording=lines[name])


def _end(request: Request, form: FormData) -> Response:
    """Keep a recording as a file of the studio's data and go on to a label set of it, or delete it."""
    name, lines = str(request.path_params["name"]), line_recordings(request)
    with lines.ending.setdefault(name, threading.Lock()):
        return _ended(request, lines, name, text_of(form, "do"))


def _ended(request: Request, lines: LineRecordings, name: str, do: str) -> Response:
    if name not in lines.listed() or do not in ("keep", "delete"):
        raise HTTPException(404, "Recording not found.")
    recording = lines.listed()[name]
    if do == "keep" and recording is not None and recording.going and not recording.rows:
        raise InputError("rows", "none yet", "the recording", "Wait for its first rows")
    path = lines.end(name)
    address = "/line"
    if do == "keep":
        if not path.is_file():
            raise InputError("rows", "none", "the recording", "Look at its source, and record it again")
        with path.open("rb") as file:
            address = f"/label?{urlencode({'data': keep(studio_of(request).folder, 'recording.csv', file)})}"
    path.unlink(missing_ok=True)
    return RedirectResponse(address, 303)


PAGE = Page({"/line": (_form, _begin), "/line/{name:str}": (_show, _end)}, role="label")
