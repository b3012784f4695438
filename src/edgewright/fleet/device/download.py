"""Downloads a release into the inactive slot with resume, checks it, and runs its test vectors.

Bytes that do not arrive, or that differ from the signed ones, are a fault of the way and no verdict on the release: the
device retries and reports the fault. Only the signed bytes can fail their test.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import msgspec

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.device_state import Fetched
from edgewright.fleet.device.ports import DeviceConfig, Packages, Runner, Slots, Tested
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.ports import Chance, Clock, Refused, Trust, Unreachable
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import Plan, Release

_SOON = 5.0  # seconds until the first retry of an interrupted download


class Downloader:
    """Downloads one release at a time.

    Args:
        state, slots, runner, trust, packages, clock, chance: ports.
        config: intervals.
        ending: returns whether the agent should exit; called during downloads.
        prepare: installs the agent that the package of a slot carries; the name of its environment.
    """

    def __init__(
        self, state: State, slots: Slots, runner: Runner, trust: Trust, packages: Packages, clock: Clock,
        chance: Chance, config: DeviceConfig, ending: Callable[[], bool],
        prepare: Callable[[str], str] = lambda slot: "",
    ) -> None:  # fmt: skip
        self._prepare = prepare
        self._state, self._slots, self._runner, self._trust = state, slots, runner, trust
        self._packages, self._clock, self._config, self._ending = packages, clock, config, ending
        self.pace = Pace(chance, min(_SOON, config.poll), config.slowest)
        self._sure: tuple[int, str] | None = None
        self.why = ""

    def bring(self, release: Release, plan: Plan) -> bool:
        """Continue the download; return whether the release is in the slot and has passed its test vectors.

        Raises:
            OutputError: the state cannot be written. After a problem with the slot, the next call retries.
        """
        if self._clock.monotonic() < self.pace.due:
            return False
        try:
            if not self._whole(release):
                if not self._fetch(release):
                    return False
                self.pace.failures = 0
            return self._tested(release, plan)
        except Unreachable as error:
            self._later(f"release {release.counter}: {error}", error.wait)
        except Refused as error:
            if error.what in ("length", "hash"):
                self._drop()  # what is downloaded is not the target, or is mixed with what is not
            self._later(f"release {release.counter} is refused: {error}")
        except OutputError as error:
            self._later(f"release {release.counter}: {error}")
        return False

    def _whole(self, release: Release) -> bool:
        """Return whether the slot contains the release; its bytes are hashed only once."""
        key = (release.counter, release.sha256)
        if self._sure == key:
            return True
        found, begun = self._slots.holds(self._state.held.other), self._state.held.fetched
        if found is None or begun is None or (begun.counter, begun.sha256) != key:
            return False
        if (found.counter, found.sha256) != key:
            return False
        self._sure = key
        return True

    def _fetch(self, release: Release) -> bool:
        slot, state = self._state.held.other, self._state
        self._trust.check(release)
        begun = state.held.fetched
        if begun is None or (begun.counter, begun.sha256) != (release.counter, release.sha256):
            # Delete the rest of another download before recording this one, so that the two are never mixed.
            self._drop()
            self.pace.failures = 0
            state.change(fetched=Fetched(sha256=release.sha256, counter=release.counter))
        there = self._slots.holds(slot)
        if (there is None or there.sha256 != release.sha256) and not self._read(slot, release):
            return False
        if not self._slots.finish(slot, release, state.held.floor):
            by = self._packages.spoilt(release)
            raise Refused(f"the bytes from {by} differ from the signed ones", "hash")
        self._sure = (release.counter, release.sha256)
        return True

    def _read(self, slot: str, release: Release) -> bool:
        """Download bytes for the time of one slice; return whether all bytes are there."""
        have = self._slots.size(slot)
        if have > release.length:
            have = 0
        until = self._clock.monotonic() + self._config.slice
        path = self._trust.path(release)
        if have < release.length:
            source = self._packages.read(path, have, release.length)
            with closing(source) as parts:  # type: ignore[type-var]
                for part in parts:
                    self._slots.write(slot, have, part)
                    have += len(part)
                    if self._clock.monotonic() >= until or self._ending():
                        break
        self.why = f"release {release.counter}: {have:,} of {release.length:,} bytes downloaded"
        if 0 < have < release.length and self._clock.monotonic() < until and not self._ending():
            raise Unreachable(f"broken off after {have:,} bytes")
        return have >= release.length

    def _drop(self) -> None:
        self._sure, slot = None, self._state.held.other
        if self._slots.size(slot):
            self._slots.write(slot, 0, b"")

    def _tested(self, release: Release, plan: Plan) -> bool:
        held = self._state.held
        assert held.fetched is not None  # noqa: S101 - `_whole` or `_fetch` ensures it
        if held.fetched.tested:
            return True
        found = self._runner.test(held.other, plan.trial)
        wall, environment = self._clock.wall(), ""
        if found.ok:
            try:
                environment = self._prepare(held.other)
            except InputError as error:
                found = Tested(ok=False, because="start", detail=str(error))
        if found.ok:
            outcome = self._state.tell("tested", release.counter, plan.id, wall)
            fetched = msgspec.structs.replace(held.fetched, tested=True, environment=environment)
            self._state.change([outcome], fetched=fetched)
            return True
        if self._slots.holds(held.other) is None:
            raise Refused("its bytes changed on this device", "hash")
        because = found.because or "vectors"
        outcome = self._state.tell("refused", release.counter, plan.id, wall, because, found.detail)
        self._sure = None
        self._state.change([outcome], fetched=None, because=because, burned=(*held.burned, release.counter))
        self.why = f"release {release.counter} failed its test here: {found.detail}"
        return False

    def _later(self, why: str, wait: float | None = None) -> None:
        self.why = why
        self.pace.bad(self._clock.monotonic(), wait)
