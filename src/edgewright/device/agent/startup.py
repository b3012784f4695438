"""From a command line and a configuration to an agent that ran: everything is opened in order and closed again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.device.agent.loop import Agent
from edgewright.device.agent.plan import Say, keep_copies, make_plan, settle_rates
from edgewright.device.agent.process_status import Report
from edgewright.device.agent.settings import Configured, SinkEntry, read_settings
from edgewright.device.agent.store_writer import StoreWriter
from edgewright.device.sinks import Sink
from edgewright.device.sources import Source, short_source
from edgewright.device.store.sender import deliver
from edgewright.device.store.store import Store
from edgewright.schema.device import Event
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import EdgewrightError, InputError

_LOOK = 1.0  # seconds between two looks at an outbox that was empty
_REMIND = 600.0


class Delivery:
    """Sends what waits, through the first way that works.

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
        self._said = -_REMIND
        self.sent = 0
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to send; nothing happens where there is no sink."""
        if self._sinks:
            self._thread.start()

    def before(self, tell: Callable[[Sequence[Event]], None]) -> Callable[[Sequence[Event]], None]:
        """Wrap `tell`, called when events are durable, so that an alarm does not wait for uploads."""

        def told(events: Sequence[Event]) -> None:
            if any(event.kind == "alarm" for event in events):
                for _, sink in self._sinks:
                    sink.hurry()
            tell(events)

        return told

    def close(self, drain: float) -> None:
        """End; what waits is sent for at most so many seconds, the rest stays in the outbox."""
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
            self._tell(f"{error}. Items may be sent twice")
            return False
        self.sent += done.arrived
        if done.problem:
            self._at = (self._at + 1) % len(self._sinks)
            self._tell(f"sink {kind}: {done.problem}. Items stay in the outbox and are sent later")
        return done.arrived > 0 and not done.problem

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said >= _REMIND:
            self._said = now
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


def configure(package: str, source: str, config: Path | None) -> tuple[Configured, Source]:
    """Return settings of the command line over those of the configuration.

    Args:
        package: further one; empty for none.
        source: `KIND:REST`, instead of the configuration's; empty for that.
        config: file; None for none.

    Raises:
        InputError: there is no source, or something does not fit.
    """
    configured = read_settings(config)
    if package:
        settings = configured.settings
        entries = (PackageEntry(path=package), *settings.packages)
        configured = msgspec.structs.replace(configured, settings=msgspec.structs.replace(settings, packages=entries))
    opened = short_source(source) if source else configured.source
    if opened is None:
        raise InputError("a source", "none", "--source", "Name one, such as --source csv:readings.csv, or in [source]")
    return configured, opened


def run_agent(
    configured: Configured, source: Source, folder: Path, *, stop: Callable[[], bool], say: Say,
    tell: Callable[[Sequence[Event]], None], begin: Callable[[Started], None],
) -> Report:  # fmt: skip
    """Run until the source ends or `stop` says so.

    Args:
        configured: settings.
        source: where rows come from.
        folder: of the store.
        stop: asked several times a second.
        say: takes a line about trouble.
        tell: takes events: alarms after they are durable, others of a live source as they come.
        begin: called once, before the first row.

    Raises:
        CheckFailedError: a package's test vectors fail here.
        InputError: a store of a newer version or in use, a package, detector, table or source that cannot be used.
        OutputError: the store cannot be opened, or its last commit failed.
    """
    settings = configured.settings
    opening = _Opening(folder, configured)
    try:
        plan = make_plan(settings, folder)
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
            keeper = StoreWriter(store, say, delivery.before(tell), apart=not recorded)
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
