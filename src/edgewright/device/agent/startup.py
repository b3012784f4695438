"""From a command line and a configuration to an agent that ran: everything is opened in order and closed again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.errors import DeviceSettingsError, EdgewrightError, InputError
from edgewright.core.predictor import package_path
from edgewright.core.records.device import Event
from edgewright.device.agent.loop import Agent
from edgewright.device.agent.plan import Say, keep_copies, make_plan, settle_rates
from edgewright.device.agent.process_status import Report, StoreWriter
from edgewright.device.agent.release_settings import NAME, carried_files, settings_with
from edgewright.device.agent.settings import Configured, SinkEntry, read_settings
from edgewright.device.configuration import PackageEntry
from edgewright.device.sinks import NeverError, NotYetError, Sink
from edgewright.device.sources import Source, short_source
from edgewright.device.store.store import Store


@dataclass(frozen=True)
class Delivered:
    """Items that were sent and items that arrived, and why the last batch did not arrive whole.

    Attributes:
        sent, arrived: items.
        problem: empty where it arrived whole, or was handed back on purpose.
    """

    sent: int = 0
    arrived: int = 0
    problem: str = ""


def deliver(store: Store, sink: Sink, limit: int = 64 << 10, batches: int = 16) -> Delivered:
    """Send what may be sent now.

    Args:
        store: whose outbox.
        sink: where to.
        limit: bytes a batch.
        batches: at most so many, so that the caller gets its turn.

    Returns:
        What happened; a sink's failure is no error: the outbox rests and what was sent is sent again.

    Raises:
        OutputError: the going of arrived items could not be made durable; they may be sent twice.
    """
    sent = arrived = 0  # what is set aside is neither
    for _ in range(batches):
        batch = store.outbox.take(limit)
        if not batch:
            break
        problem, later = "", False
        places: list[tuple[int, int]] = []
        try:
            places = list(sink.send(store.device, batch))
        except NotYetError:
            later = True
        except NeverError as error:
            store.outbox.set_aside(batch, error.refused)
            store.commit()
            continue
        except (EdgewrightError, OSError) as error:
            problem = str(error)
        gone = store.outbox.settle(batch, places)
        sent, arrived = sent + len(batch), arrived + gone
        if gone < len(batch):
            store.commit()
            if not later:
                problem = problem or f"{len(batch) - gone} of {len(batch)} were not acknowledged"
            return Delivered(sent, arrived, problem)
    store.commit()
    return Delivered(sent, arrived)


_LOOK = 1.0  # seconds between two looks at an outbox that was empty
_REMIND = 600.0


class Delivery:
    """Sends the items of the outbox, through the first sink that works.

    Args:
        store: whose outbox.
        ways: sinks in order of preference.
        say: takes a line for people.

    Raises:
        InputError: a way that will never work.
    """

    def __init__(self, store: Store, ways: Sequence[SinkEntry], say: Callable[[str], None]) -> None:
        self._store, self._say = store, say
        self._sinks: list[tuple[str, Sink]] = [(way.kind, way.open()) for way in ways]
        self._at = 0
        self._stop = threading.Event()
        self._reminded = -_REMIND
        self.sent = 0
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Start the thread that sends, where there is a sink."""
        if self._sinks:
            self._thread.start()

    def before(self, publish: Callable[[Sequence[Event]], None]) -> Callable[[Sequence[Event]], None]:
        """Wrap `publish`, called when events are durable, so that an alarm does not wait for uploads."""

        def hurrying(events: Sequence[Event]) -> None:
            if any(event.kind == "alarm" for event in events):
                for _, sink in self._sinks:
                    sink.hurry()
            publish(events)

        return hurrying

    def close(self, drain: float) -> None:
        """Stop; items are sent for at most `drain` seconds more, the rest stays in the outbox."""
        if not self._sinks:
            return
        self._stop.set()
        self._thread.join(drain + 30.0)
        until = time.monotonic() + drain
        while not self._thread.is_alive() and time.monotonic() < until:
            if not self._once():
                break
        for _, sink in self._sinks:
            sink.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._once():
                self._stop.wait(min(60.0, max(_LOOK, self._store.outbox.rest())))

    def _once(self) -> bool:
        """One turn; whether more may go at once."""
        kind, sink = self._sinks[self._at]
        try:
            done = deliver(self._store, sink)
        except EdgewrightError as error:
            self._remind(f"{error}. Items may be sent twice")
            return False
        self.sent += done.arrived
        if done.problem:
            self._at = (self._at + 1) % len(self._sinks)
            self._remind(f"sink {kind}: {done.problem}. Items stay in the outbox and are sent later")
        return done.arrived > 0 and not done.problem

    def _remind(self, text: str) -> None:
        now = time.monotonic()
        if now - self._reminded >= _REMIND:
            self._reminded = now
            self._say(text)


_DRAIN = 5.0


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to run: for a first line to a person."""

    store: Path
    device: str
    packages: tuple[str, ...]
    source: str
    recorded: bool
    refused: tuple[tuple[str, str], ...]
    resumed: str = ""


def configured_for(package: str, config: Path | None) -> Configured:
    """Return a configuration with a package of the command line in it, and with the settings that this one carries.

    Args:
        package: empty for none.
        config: file; None for none.

    Raises:
        InputError: something does not fit.
    """
    carries = False
    with suppress(InputError):  # a package that cannot be read is refused or replaced when it is proven
        carries = bool(package and carried_files(package_path(package)))
    configured = settings_with(package_path(package), config) if carries else read_settings(config)
    if not package:
        return configured
    settings = configured.settings
    entries = (PackageEntry(path=package, name=NAME if carries else ""), *settings.packages)
    return msgspec.structs.replace(configured, settings=msgspec.structs.replace(settings, packages=entries))


def configure(package: str, source: str, config: Path | None) -> tuple[Configured, Source]:
    """Return settings of the command line over those of the configuration.

    Args:
        package: further one; empty for none.
        source: `KIND:REST`, instead of the configuration's; empty for that.
        config: file; None for none.

    Raises:
        InputError: there is no source, or something does not fit.
    """
    configured = configured_for(package, config)
    opened = short_source(source) if source else configured.source
    if opened is None:
        raise DeviceSettingsError(
            "a source", "none", "--source", "Name one, such as --source csv:readings.csv, or in [source]"
        )
    return configured, opened


def run_agent(
    configured: Configured, source: Source, folder: Path, *, stop: Callable[[], bool], say: Say,
    publish: Callable[[Sequence[Event]], None], begin: Callable[[Started], None],
) -> Report:  # fmt: skip
    """Run until the source ends or `stop` says so.

    Args:
        configured: settings.
        source: source of rows.
        folder: of the store.
        stop: asked several times a second.
        say: takes a line about trouble.
        publish: takes events: alarms after they are durable, others of a live source as they come.
        begin: called once, before the first row.

    Raises:
        CheckFailedError: a package's test vectors fail here.
        InputError: a store of a newer version or in use, a package, detector, table or source that cannot be used.
        OutputError: the store cannot be opened, or its last commit failed.
    """
    settings = configured.settings
    opening = _Opening(folder, configured)
    try:
        plan = make_plan(settings, folder, configured.files)
    except BaseException:
        opening.give_up()
        raise
    with opening.store() as store:
        keep_copies(plan, folder)
        opened = source.open(tuple(plan.columns))
        try:
            opened.read_as(tuple(plan.trained.values()))
            settle_rates(plan, opened, configured.timeline.tolerance)
            recorded = not getattr(opened, "live", True)
            delivery = Delivery(store, configured.ways, say)
            keeper = StoreWriter(store, say, delivery.before(publish), threaded=not recorded)
            name = f"{source.kind} {opened.origin}".strip()
            agent = Agent(plan, configured, opened, name, keeper, recorded=recorded)
            begin(
                Started(
                    store=folder, device=store.device, packages=tuple(a.name for a in plan.answerers),
                    source=source.kind, recorded=recorded, refused=tuple(plan.refused), resumed=agent.resumed,
                )
            )  # fmt: skip
            delivery.start()
            try:
                report = agent.run(stop)
            finally:
                keeper.close()
                delivery.close(_DRAIN if recorded else 1.0)
            return report
        finally:
            opened.close()


class _Opening:
    """The store is opened while packages are proven: the one waits for the disk, the other computes."""

    def __init__(self, folder: Path, configured: Configured) -> None:
        self._folder, self._settings = folder, configured.settings
        self._store: Store | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="opening")
        self._thread.start()

    def store(self) -> Store:
        """Return the store, as soon as it is open.

        Raises:
            InputError, OutputError: as `Store.open`.
        """
        self._thread.join()
        if self._store is None:
            raise self._error or AssertionError
        return self._store

    def give_up(self) -> None:
        """Close it where it was opened."""
        with suppress(EdgewrightError):
            self.store().close()

    def _open(self) -> None:
        try:
            self._store = Store.open(self._folder, self._settings.store, self._settings.device)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asks for the store
            self._error = error
