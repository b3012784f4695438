"""What a device has learned of a package: read again when it changes, and labels that an operator gives at run time.

It lies in `learned/NAME` of the store, two slots as `edgewright adapt` keeps them, beside a request and its answer.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgewright.core.adaptation.affine import Files, Origin, Slots
from edgewright.core.errors import DeviceSettingsError, EdgewrightError
from edgewright.core.files import PRIVATE, private_folder, write_atomic
from edgewright.core.package import read_package
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Event
from edgewright.device.agent.packages import CURRENT, Answered, Answerer
from edgewright.device.agent.packages import FOLDER as PACKAGES
from edgewright.device.store.status import FACTORY, LEARNED
from edgewright.device.store.stream_state import LEARNED_FOLDER

if TYPE_CHECKING:
    from edgewright.core.adaptation.predictor import AdaptedPredictor

REQUEST, REPLY = "label.json", "reply.json"
_LOOK = 0.5  # seconds between two looks at the folder
_STREAMS = 256  # streams whose last window is remembered
_BUSY = "expected nobody else to learn or undo, got another command that does. Try again when it has ended"


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says.

    Attributes:
        label: of the last window, or of those to come.
        seconds: of the stream from now on that the label is for; 0: the last window.
        stream: whose; empty where there is one.
    """

    label: str
    seconds: float = 0.0
    stream: str = ""


class LabelReply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it.

    Attributes:
        text: in words; empty where it went well.
        learned: windows that were learned from.
        refused: windows with missing values, or values that their sensor cannot give.
        used: whether answers use what was learned.
    """

    text: str = ""
    learned: int = 0
    refused: int = 0
    used: bool = False


def learned_folder(store: Path, package: str) -> Path:
    """Return where what a device learned of a package lies; `package` is the name in its manifest."""
    return store / LEARNED_FOLDER / (re.sub(r"[^\w.-]", "_", package).lstrip(".") or "package")


class LearnedPackage:
    """A package whose devices learn, at work.

    Args:
        answerer: of the package; it answers with what was learned while that is used.
        store: folder of the store.
        labels: why labels are not taken; empty where they are.
    """

    def __init__(self, answerer: Answerer, store: Path, *, labels: str = "") -> None:
        self.answerer, self._refusing = answerer, labels
        self._copy = store / PACKAGES / answerer.name / CURRENT
        self.folder = learned_folder(store, answerer.manifest.name)
        self._predictor: AdaptedPredictor | None = None
        self._stamps: Any = ()
        self._looked, self._used = -_LOOK, False
        self._last: OrderedDict[str, tuple[float, Floats]] = OrderedDict()
        self._open: tuple[LabelRequest, str, float, LabelReply] | None = None
        self._waiting = list[Floats]()

    def look(self, now: float) -> list[Event]:
        """Read what changed in the folder since the last look; return what people should know."""
        if now - self._looked < _LOOK:
            return []
        self._looked = now
        events = self._request()
        first, stamps = not self._stamps, self._file_stamps()
        if stamps == self._stamps:
            return events
        self._stamps = stamps
        try:
            if any(stamps):
                self._restore()
        except EdgewrightError as error:
            self._used, self.answerer.learned = False, None
            return [*events, self._event(FACTORY, "what was learned is not used", str(error))]
        used = any(stamps) and self._predictor is not None and bool(self._predictor.state.used)
        changed, self._used = used != self._used or (first and any(stamps)), used
        self.answerer.learned = self._predictor if used else None
        text = "answers use what was learned" if used else "the factory's model answers"
        return [*events, self._event(LEARNED if used else FACTORY, text)] if changed else events

    def take(self, stream: str, answered: Answered) -> list[Event]:
        """Take the answers to windows of a stream; learn from those that a label is for."""
        cut = answered.cut
        well = np.flatnonzero(cut.healthy)
        if len(well):
            self._last[stream] = (float(cut.times[well[-1]]), cut.samples[well[-1]].copy())
            self._last.move_to_end(stream)
            if len(self._last) > _STREAMS:
                self._last.popitem(last=False)
        if self._open is None or self._open[1] != stream:
            return []
        request, _, begin, done = self._open
        window = self.answerer.window
        length = (window.samples - 1) / self.answerer.rate if window is not None and self.answerer.rate else 0.0
        whole = cut.healthy & (cut.times - length > begin) & (cut.times <= begin + request.seconds)
        if whole.any():
            self._waiting.append(cut.samples[whole].copy())
        over = bool(cut.times[-1] >= begin + request.seconds)
        if self._waiting:
            reply = self._learn(np.concatenate(self._waiting), request.label, done)
            # Windows of a stream do not wait for another command, and are not lost by it.
            if reply.text != _BUSY or over:
                done = reply
                self._waiting.clear()
        self._open = (request, stream, begin, done)
        if not over and not done.text:
            return []
        self._open = None
        counts = f"learned from {done.learned} windows, refused {done.refused}"
        return [self._event("labelled", counts, done.text)]

    def _request(self) -> list[Event]:
        path = self.folder / REQUEST
        if not path.exists():
            return []
        try:
            request = msgspec.json.decode(path.read_bytes(), type=LabelRequest)
            reply = self._begin(request)
        except (OSError, msgspec.DecodeError) as error:
            reply = LabelReply(text=f"expected a label, got {error} - at {path}")
        with suppress(OSError):
            path.unlink()
        with suppress(EdgewrightError):
            write_atomic(self.folder / REPLY, msgspec.json.encode(reply), PRIVATE)
        return [self._event("labelled", "the label was refused", reply.text)] if reply.text else []

    def _begin(self, request: LabelRequest) -> LabelReply:
        """Learn from the last window, or begin to learn from those to come."""
        known = list(self._last)
        stream = request.stream or (known[0] if len(known) == 1 else "")
        if self._refusing:
            return LabelReply(text=self._refusing)
        if request.label not in self.answerer.manifest.labels:
            return LabelReply(text=f"expected a label of {self.answerer.name}, got {request.label!r}")
        if stream not in self._last:
            names = ", ".join(known[:8]) or "no window yet"
            return LabelReply(text=f"expected a stream that was answered, got {request.stream!r}. Known: {names}")
        moment, sample = self._last[stream]
        if not request.seconds:
            return self._learn(sample[None], request.label, LabelReply())
        self._open = (request, stream, moment, LabelReply())
        self._waiting.clear()
        return LabelReply(used=self._used)

    def _learn(self, samples: Floats, label: str, done: LabelReply) -> LabelReply:
        """Learn on top of what lies in the slots by now, and keep it."""
        files = Files(self.folder)
        try:
            with files.locked(wait=False) as free:
                if not free:
                    return msgspec.structs.replace(done, text=_BUSY)
                slots = self._restore()
                assert self._predictor is not None  # noqa: S101 - just restored
                report = self._predictor.learn(samples, [label] * len(samples))
                slots.save(self._predictor.state)
        except EdgewrightError as error:
            return msgspec.structs.replace(done, text=f"a label was not learned: {error}")
        self._looked = -_LOOK
        return LabelReply(
            learned=done.learned + report.learned, refused=done.refused + report.refused, used=report.used
        )

    def _restore(self) -> Slots[Any]:
        """Take the state that lies in the slots.

        Raises:
            InputError: the copy of the package is not the one that answers.
        """
        if self._predictor is None:
            package = read_package(self._copy)
            if package.sha256 != self.answerer.predictor.package.sha256:
                raise DeviceSettingsError(
                    "the package that answers", "another one", str(self._copy), "Start the agent again"
                )
            # Late: most agents learn nothing, and start sooner without it.
            self._predictor = import_module("edgewright.core.adaptation.predictor").AdaptedPredictor(package)
        origin: Origin[Any] = self._predictor.factory
        slots = Slots(Files(self.folder), origin)
        self._predictor.restore(slots.load())
        return slots

    def _file_stamps(self) -> tuple[tuple[int, ...], ...]:
        """Return what tells the files of the slots from others; nothing where there are none."""
        stamps: list[tuple[int, ...]] = []
        for slot in (0, 1):
            try:
                stat = Files(self.folder).path(slot).stat()
            except OSError:
                stamps.append(())
            else:
                stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(stamps)

    def _event(self, label: str, text: str, error: str = "") -> Event:
        """Return an event; an error may quote a file, and 'notice' is no key that may leave."""
        name = self.answerer.name
        detail = {"package": name, "reason": f"{name}: {text}", **({"notice": error} if error else {})}
        return Event(kind="health", time=0.0, label=label, detail=detail)


def learned_packages(answerers: list[Answerer], store: Path, *, labels: str = "") -> list[LearnedPackage]:
    """Return the packages whose devices learn; `labels` is why no labels are taken."""
    return [LearnedPackage(a, store, labels=labels) for a in answerers if a.predictor.package.learns]


def ask(folder: Path, request: LabelRequest, patience: float) -> LabelReply | None:
    """Give a label to the agent at work, and wait for its reply; None where none came.

    Args:
        folder: of what was learned of the package.
        request: what to say.
        patience: seconds to wait.

    Raises:
        OutputError: the folder cannot be written.
    """
    private_folder(folder)
    (folder / REPLY).unlink(missing_ok=True)
    write_atomic(folder / REQUEST, msgspec.json.encode(request), PRIVATE)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if (folder / REPLY).exists():
            return msgspec.json.decode((folder / REPLY).read_bytes(), type=LabelReply)
        time.sleep(0.05)
    (folder / REQUEST).unlink(missing_ok=True)
    return None
