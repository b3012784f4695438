"""Ports of a device that is not enrolled yet, and become those of its fleet when it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.clock_jump import Stepped
from edgewright.fleet.device.ports import Control, Facts, Teller
from edgewright.fleet.protocol.ports import Chance, Clock, Unreachable
from edgewright.fleet.protocol.trusted_metadata import Seen, Trust
from edgewright.schema.fleet_plan import Plan, Release
from edgewright.schema.fleet_report import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Report

_FIRST, _SLOWEST = 5.0, 600.0


class Joined(msgspec.Struct, frozen=True):
    """What an enrolled device has."""

    trust: Trust
    control: Control
    teller: Teller


class Joining:
    """Trust, control plane and teller in one; tries to enrol until it has gone well.

    Args:
        join: enrols, or finds that it was done before.
        clock, chance: of the device.

    The machine runs what the device has meanwhile.
    """

    def __init__(self, join: Callable[[], Joined], clock: Clock, chance: Chance) -> None:
        self._join, self._clock = join, clock
        self._pace, self._stepped = Pace(chance, _FIRST, _SLOWEST), Stepped(clock)
        self._joined: Joined | None = None
        self._why = "not enrolled yet"

    def attempt(self) -> bool:
        """Enrols where it is time; whether the device is enrolled.

        Raises:
            InputError: refused: a wrong token, or another fleet.
            OutputError: the storage failed.
        """
        now = self._clock.monotonic()
        if self._stepped():
            self._pace.heard(now)
        if self._joined is None and now >= self._pace.due:
            try:
                self._joined = self._join()
            except Unreachable as error:
                self._why = f"not enrolled yet: {error}"
                self._pace.bad(now, error.wait)
        return self._joined is not None

    @property
    def due(self) -> float:
        """Monotonic seconds of the next attempt."""
        return self._pace.due

    def refresh(self) -> Seen:
        """As `Trust.refresh`."""
        return self._here().trust.refresh()

    def held(self) -> Seen:
        """As `Trust.held`."""
        if self._joined is None:
            return Seen(standings=None, fresh=False, signed=0.0, versions={}, changed=False)
        return self._joined.trust.held()

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """As `Trust.plan`."""
        return self._here().trust.plan(name, sha256)

    def check(self, release: Release) -> None:
        """As `Trust.check`."""
        self._here().trust.check(release)

    def path(self, release: Release) -> str:
        """As `Trust.path`."""
        return self._here().trust.path(release)

    def enrol(self, request: Enrolment) -> Enrolled:
        """As `Control.enrol`."""
        return self._here().control.enrol(request)

    def intent(self, intent: Intent) -> Allowed:
        """As `Control.intent`."""
        return self._here().control.intent(intent)

    def report(self, report: Report) -> Acknowledged:
        """As `Control.report`."""
        return self._here().control.report(report)

    def tell(self, facts: Facts) -> float:
        """As `Teller.tell`."""
        return _FIRST if self._joined is None else self._joined.teller.tell(facts)

    def _here(self) -> Joined:
        if self._joined is None:
            raise Unreachable(self._why)
        return self._joined
