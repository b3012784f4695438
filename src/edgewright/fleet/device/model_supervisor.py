"""Supervises the model's process: starts it, watches its trial, restarts it after a crash, and rolls back.

Rates are tested with a bound instead of a quotient: one alarm in the first minute does not mean 1,440 per day. A
release is rolled back because of a rate or share if a true value at the limit would produce such a count in fewer than
one of 1,000 trials, by Chernoff bounds (H. Chernoff, 1952; Boucheron, Lugosi, Massart, "Concentration Inequalities",
2013, section 2.2): for a count n with an expected count m at the limit, exp(-(n ln(n/m) - n + m)); for a share k of n
with limit p, exp(-n (k/n ln(k/(n p)) + (1 - k/n) ln((1 - k/n)/(1 - p)))). At the end of the trial, a share of enough
answers is also compared with the limit itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from edgewright.core.errors import DeviceSettingsError, EdgewrightError, error_code
from edgewright.core.records.fleet import Because, TrialLimits, Vitals
from edgewright.fleet.device.agent_choice import go_back
from edgewright.fleet.device.ports import NAMES, DeviceConfig, Pace, Runner, Slot, Slots
from edgewright.fleet.device.state_database import Counts, State, Trial
from edgewright.fleet.protocol.layout import DAY, Chance, Clock

CHANCE = 1e-3
LEAST_ANSWERS = 100
"""Smallest number of answers for a meaningful p99, and for comparing a share with its limit at the end."""


class TrialVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a trial so far.

    Attributes:
        over: 'confirmed', 'reverted', or empty while the trial runs.
        because: reason of a rollback; empty otherwise.
        why: explanation for people, in one line.
    """

    over: str = ""
    because: Because = ""
    why: str


def added(counts: Counts, vitals: Vitals) -> Counts:
    """Return the sum of the counts of earlier starts and of this one."""
    names = ("windows", "unsure", "alarms", "anomalies")
    sums = {name: getattr(counts, name) + getattr(vitals, name) for name in names}
    return Counts(seconds=counts.seconds + max(0.0, vitals.seconds), **sums)


def judge(trial: Trial, total: Counts, vitals: Vitals | None) -> TrialVerdict:
    """Compare a trial with its limits.

    Args:
        trial: crashes, boots, time and limits.
        total: counts over all starts.
        vitals: vitals of the running process; None if none runs.
    """
    limits = trial.limits
    failure = _ended(trial) or (_now(limits, total, vitals) if vitals else None) or _rates(limits, total)
    if failure:
        return failure
    if total.seconds >= limits.seconds:
        return _last(limits, total, vitals)
    if limits.patience and trial.waited >= limits.patience:
        text = f"{total.seconds:.0f} of {limits.seconds:.0f} s with rows in {trial.waited:.0f} s of running"
        return _back("patience", text)
    return TrialVerdict(why=f"on trial: {total.seconds:.0f} of {limits.seconds:.0f} s with rows")


def _ended(trial: Trial) -> TrialVerdict | None:
    if trial.crashes > trial.limits.crashes:
        return _back("crash", f"exited {trial.crashes} times, {trial.limits.crashes} allowed")
    if trial.boots > trial.limits.boots:
        return _back("boots", f"cut off {trial.boots} times, {trial.limits.boots} allowed")
    return None


def _now(limits: TrialLimits, total: Counts, vitals: Vitals) -> TrialVerdict | None:
    if limits.memory and vitals.memory > limits.memory:
        return _back("memory", f"{vitals.memory:,} bytes resident, {limits.memory:,} allowed")
    if limits.latency and vitals.windows >= LEAST_ANSWERS and vitals.latency[1] > limits.latency:
        return _slow(limits, vitals)
    if limits.drift and vitals.channels and len(vitals.drifting) / vitals.channels > limits.drift:
        text = f"{len(vitals.drifting)} of {vitals.channels} channels drift, {limits.drift:.0%} allowed"
        return _back("drift", text)
    return None


def _slow(limits: TrialLimits, vitals: Vitals) -> TrialVerdict:
    return _back("latency", f"p99 {vitals.latency[1]:.3g} s, {limits.latency:.3g} s allowed")


def _rates(limits: TrialLimits, total: Counts) -> TrialVerdict | None:
    if limits.unsure and share_unlikely(total.unsure, total.windows, limits.unsure) < CHANCE:
        return _unsure(limits, total)
    for name, count, limit in (
        ("alarms", total.alarms, limits.alarms), ("anomalies", total.anomalies, limits.anomalies)
    ):  # fmt: skip
        if limit and count_unlikely(count, limit * total.seconds / DAY) < CHANCE:
            text = f"{count} {name} in {total.seconds:.0f} s with rows, {limit:g} a day allowed"
            return _back("alarms" if name == "alarms" else "anomalies", text)
    return None


def _unsure(limits: TrialLimits, total: Counts) -> TrialVerdict:
    text = f"{total.unsure} of {total.windows} answers unsure, {limits.unsure:.0%} allowed"
    return _back("unsure", text)


def _last(limits: TrialLimits, total: Counts, vitals: Vitals | None) -> TrialVerdict:
    """Return the result at the end of the trial: values are compared with the limits directly."""
    if limits.latency and vitals and vitals.windows and vitals.latency[1] > limits.latency:
        return _slow(limits, vitals)
    if limits.unsure and total.windows >= LEAST_ANSWERS and total.unsure > limits.unsure * total.windows:
        return _unsure(limits, total)
    return TrialVerdict(over="confirmed", why=f"confirmed after {total.seconds:.0f} s with rows")


def _back(because: Because, why: str) -> TrialVerdict:
    return TrialVerdict(over="reverted", because=because, why=why)


def count_unlikely(count: int, mean: float) -> float:
    """Return an upper bound of the probability of at least `count` events with mean `mean` (Poisson)."""
    if count <= mean:
        return 1.0
    if mean <= 0.0:
        return 1.0  # no observation yet
    return math.exp(-(count * math.log(count / mean) - count + mean))


def share_unlikely(count: int, of: int, share: float) -> float:
    """Return an upper bound of the probability of at least `count` of `of` with probability `share` each (binomial)."""
    if not of or count <= share * of or share >= 1.0:
        return 1.0
    if share <= 0.0:
        return 0.0
    seen = count / of
    distance = seen * math.log(seen / share)
    if seen < 1.0:
        distance += (1.0 - seen) * math.log((1.0 - seen) / (1.0 - share))
    return math.exp(-of * distance)


def recover(state: State, slots: Slots, product: str, wall: float) -> str:
    """Repair the state after a start: restore the highest floor, check the active slot, count an interrupted trial.

    Args:
        state: the open state.
        slots: slots of the same store.
        product: product that the device follows; a store follows only one.
        wall: seconds since 1970, for outcomes.

    Returns:
        One line about a problem that was found; empty for none.

    Raises:
        InputError: the store follows another product.
        OutputError: the disk is full or broken.
    """
    current = state.device_state
    if current.product and current.product != product:
        raise DeviceSettingsError(
            f"the product {current.product!r} that this store follows",
            repr(product),
            "--product",
            "Name another folder with --store",
        )
    floor = max(current.floors.get(product, 0), *(slots.floor(slot) for slot in NAMES))
    if not current.begun:
        slot = _confirmed(slots, product, floor)
        release = slots.holds(slot) if slot else None
        counter = release.counter if release else 0
        state.change(begun=True, product=product, active=slot, counter=counter, floors={product: floor})
    elif floor > current.floor:
        state.change(floors={product: floor})
    slots.raise_floor(floor)
    return _sound(state, slots, wall) or _cut_off(state)


def _confirmed(slots: Slots, product: str, floor: int) -> Slot:
    """Return the slot of the last confirmed release, whose counter equals the floor; empty for none."""
    for slot in NAMES:
        release = slots.holds(slot)
        if release is not None and release.product == product and release.counter == floor:
            return slot
    return ""


def _sound(state: State, slots: Slots, wall: float) -> str:
    """Check the bytes of the active slot; if damaged, roll back or download again, and return a line about it."""
    current = state.device_state
    release = slots.holds(current.active) if current.active else None
    if not current.active or (release is not None and release.counter == current.counter):
        return ""
    if current.trial is not None:
        go_back(state, slots, "damaged", "the package in the active slot is damaged", wall)
        return "the package on trial was damaged on this device"
    outcome = state.outcome(
        "refused", current.counter, current.plan, wall, "damaged", "the active slot's bytes have changed"
    )
    state.change([outcome], active="", counter=0, plan="", fetched=None)
    return "the active package was damaged on this device; downloading it again"


def _cut_off(state: State) -> str:
    trial = state.device_state.trial
    if trial is None or not trial.running:
        return ""
    state.change(trial=msgspec.structs.replace(trial, running=False, boots=trial.boots + 1))
    return f"the device was cut off during the trial, {trial.boots + 1} of {trial.limits.boots} times"


_CRASH_FIRST, _CRASH_SLOWEST = 1.0, 60.0
_OUT_OF_MEMORY = "out of memory"


class ModelSupervisor:
    """Supervises the process of the active slot.

    Attributes:
        crashes: unexpected exits of the process since the agent started, and one more if that start followed a power
            loss, a restart by a watchdog or a kill: otherwise a release that hangs the device again and again would
            pass for healthy.
        why: why the process does not run or was rolled back; empty for neither.
    """

    def __init__(
        self, state: State, slots: Slots, runner: Runner, clock: Clock, chance: Chance, config: DeviceConfig,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self._note = note
        self._state, self._slots, self._runner, self._clock, self._config = state, slots, runner, clock, config
        self._pace = Pace(chance, _CRASH_FIRST, _CRASH_SLOWEST)
        self._base = Counts()
        self._up = False
        self._nonce = state.link.nonce
        self.crashes = int(state.device_state.started)
        self.why = ""

    @property
    def due(self) -> float:
        """Monotonic seconds of the next check."""
        if not self._state.device_state.active:
            return self._clock.monotonic() + self._config.poll
        return self._clock.monotonic() + self._config.look if self._up else self._pace.due

    def vitals(self) -> Vitals | None:
        """Return the vitals of the running process; None if none runs."""
        return msgspec.structs.replace(self._runner.vitals(), crashes=self.crashes) if self._up else None

    def counts(self) -> Counts:
        """Return the counts of the trial over all starts."""
        return added(self._base, self._runner.vitals()) if self._up else self._base

    def look(self) -> None:
        """Start the process if necessary, count crashes, and confirm or roll back a trial.

        Raises:
            OutputError: the disk is full or broken; nothing was activated.
        """
        if self._up:
            self._ended()
        if self._state.device_state.trial is not None:
            self._judge()
        now = self._clock.monotonic()
        if not self._up and self._state.device_state.active and now >= self._pace.due:
            self.start()

    def start(self) -> None:
        """Start the active slot's process. A trial stores the start durably first; a failed start is a crash."""
        current = self._state.device_state
        if not current.active:
            return
        limits = None
        if current.trial is not None:
            self._base = self.counts() if self._up else current.trial.counts
            trial = msgspec.structs.replace(current.trial, running=True, counts=self._base)
            self._state.change(trial=trial, started=True)
            limits = trial.limits
        elif not current.started:
            self._state.change(started=True)
        try:
            self._runner.start(current.active, limits)
            self._up = True
            self.why = ""
        except EdgewrightError as error:
            self._note(str(error))
            self._crashed(error_code(error))

    def fresh(self) -> None:
        """Reset the counts and the restart delay, since another slot is now active."""
        self._up, self._base, self.crashes = False, Counts(), 0
        self._pace.failures, self._pace.due = 0, 0.0

    def revert(self, because: Because, why: str) -> None:
        """Roll back to the previous slot and start it."""
        self.fresh()
        go_back(self._state, self._slots, because, why, self._clock.wall())
        if self._state.device_state.active:
            self.start()
        else:
            self._runner.stop()
        self.why = f"rolled back: {why}"

    def keep(self) -> Trial | None:
        """Return the trial with its current counts, to be stored; None without a trial."""
        trial = self._state.device_state.trial
        if trial is None:
            return None
        starts = 0 if self._state.link.nonce != self._nonce else trial.starts
        return msgspec.structs.replace(trial, counts=self.counts(), starts=starts)

    def close(self) -> None:
        """Stop the process normally, without counting a crash."""
        trial = self.keep()
        self._runner.stop()
        self._up = False
        if trial is not None:
            trial = msgspec.structs.replace(trial, running=False)
        self._state.change(trial=trial, started=False)

    def _ended(self) -> None:
        # In this order: a process that crashes in between counts as a crash, not as the end of its source.
        is_running, line = self._runner.running(), self._runner.ended()
        if line is not None:
            self._crashed(line)
        elif not is_running:
            self._rests()

    def _rests(self) -> None:
        """Handle a process that ended normally, as at the end of a recording."""
        trial = self.keep()
        if trial is not None:
            self._state.change(trial=msgspec.structs.replace(trial, running=False))
            self._base = trial.counts
        self._up = False
        self._pace.good(self._clock.monotonic(), self._config.again)
        self.why = "the source has ended"

    def _crashed(self, line: str) -> None:
        self.crashes += 1
        self.why = line
        trial = self.keep()
        self._up = False
        self._pace.bad(self._clock.monotonic())
        if trial is None:
            return
        self._base = trial.counts
        self._state.change(trial=msgspec.structs.replace(trial, running=False, crashes=trial.crashes + 1))
        if line.startswith(_OUT_OF_MEMORY):
            self.revert("memory", line)

    def _judge(self) -> None:
        trial = self._state.device_state.trial
        assert trial is not None  # noqa: S101 - the caller checks it
        failure = judge(trial, self.counts(), self.vitals())
        # While the process does not run, show why it exited instead of the trial's progress.
        self.why = self.why if not failure.over and not self._up and self.why else failure.why
        if failure.over == "reverted":
            self.revert(failure.because, failure.why)
        elif failure.over == "confirmed":
            if self._config.environment == trial.environment or self._state.link.nonce != self._nonce:
                self._confirm(trial)
            else:  # an agent that is new with this release; the launcher ends its trial when patience does
                self.why = "the new agent has not reached the control plane yet"

    def _confirm(self, trial: Trial) -> None:
        """Confirm the trial and raise the floor in one transaction, then update the floor's copies."""
        current = self._state.device_state
        outcome = self._state.outcome("confirmed", trial.counter, trial.plan, self._clock.wall())
        burned, retried = (
            tuple(counter for counter in counters if counter > trial.counter)
            for counters in (current.burned, current.retried)
        )
        floors = {current.product: trial.counter}
        self._state.change([outcome], trial=None, floors=floors, burned=burned, retried=retried, because="")
        self._slots.raise_floor(self._state.device_state.floor)
