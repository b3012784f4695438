"""Evaluate gates on the devices with the new release, and describe the results for people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from edgewright.core.formatting import bytes_text, elapsed_text, percent, plural, seconds_text
from edgewright.core.measures import meaning, measures
from edgewright.core.records.fleet import Gate
from edgewright.fleet.protocol.rollout_records import GateSeen, RolloutMap, RolloutSeen

SURE = 1.6449
"""Normal quantile of a one-sided 95 % confidence bound."""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One device's value of one measure.

    Attributes:
        device: id of the device.
        batch: enrolment batch; one person may control all devices of a batch.
        enrolled: time of enrolment, seconds since 1970.
        value: value of the measure; for a share 1.0 or 0.0.
    """

    device: str
    batch: str = ""
    enrolled: float = 0.0
    value: float


class WeightedVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes with weights, sorted by value.

    Attributes:
        values, weights: of the same length; weights from above 0 to 1.
        sample: effective sample size (Kish, 1965): number of devices of equal weight with the same variance.
    """

    values: tuple[float, ...]
    weights: tuple[float, ...]
    sample: float


def weigh(voices: Sequence[Vote], cap: float, minimum: int) -> WeightedVotes:
    """Weight the votes: one per device, less for devices of a batch with more than `cap` of the votes.

    Args:
        voices: votes of different devices; values that are not finite are dropped.
        cap: largest share of the votes of one batch. With too few batches for it, all batches count equally.
        minimum: votes that every batch keeps; otherwise a single outlier could stand for half of the fleet.
    """
    votes = sorted((v for v in voices if math.isfinite(v.value)), key=lambda voice: (voice.value, voice.device))
    sizes = Counter(voice.batch for voice in votes)
    maximum = max(_level(sorted(sizes.values()), cap), float(minimum))
    weights = tuple(min(1.0, maximum / sizes[voice.batch]) for voice in votes)
    squares = sum(weight * weight for weight in weights)
    sample = sum(weights) ** 2 / squares if squares else 0.0
    return WeightedVotes(values=tuple(voice.value for voice in votes), weights=weights, sample=sample)


def _level(sizes: Sequence[int], cap: float) -> float:
    """Return the largest votes per batch so that no batch has more than `cap` of all votes; sizes must be sorted."""
    if not sizes or cap >= 1.0:
        return float(sizes[-1]) if sizes else 0.0
    below = 0
    for index, size in enumerate(sizes):
        above = len(sizes) - index  # batches that would be cut to the level
        if above * cap < 1.0:
            # level = cap * (below + above * level), where that lies between the last size and this one
            level = cap * below / (1.0 - above * cap)
            if level <= size:
                return max(level, float(sizes[0]))
        below += size
    return float(sizes[-1])


def quantile(counted: WeightedVotes, level: float) -> float:
    """Return the weighted quantile: the smallest value at or below which a share `level` of the votes lies."""
    wanted = level * sum(counted.weights)
    reached = 0.0
    for value, weight in zip(counted.values, counted.weights, strict=True):
        reached += weight
        if reached >= wanted - 1e-9:
            return value
    return counted.values[-1]


def share_bounds(part: float, sample: float) -> tuple[float, float]:
    """Return Wilson score bounds of the fleet's share; each bound is a one-sided 95 % confidence bound."""
    square = SURE * SURE
    centre = (part + square / (2.0 * sample)) / (1.0 + square / sample)
    inside = part * (1.0 - part) / sample + square / (4.0 * sample * sample)
    spread = SURE * math.sqrt(inside) / (1.0 + square / sample)
    return max(0.0, centre - spread), min(1.0, centre + spread)


FAILED = ("reverted", "refused")
NOT_THE_MODEL = ("aborted", "refused")
"""Reasons of an outcome that are not the release's fault: the rollout was aborted, or the signature was refused."""
SPOILT = ("refused", "damaged")
"""Outcome of older agents for wrong bytes: a fault of the way to a device or of its disk, which the device retries."""


def distance(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """Return the total variation distance between two class distributions, 0 to 1; None if one has no answers."""
    all_before, all_after = sum(before.values()), sum(after.values())
    if not all_before or not all_after:
        return None
    names = before.keys() | after.keys()
    return sum(abs(before.get(n, 0) / all_before - after.get(n, 0) / all_after) for n in names) / 2.0


def failed(kind: str, because: str) -> bool | None:
    """Return whether an outcome means that the release failed on the device; None if it is inconclusive."""
    if kind == "confirmed":
        return False
    counts = kind in FAILED and because not in NOT_THE_MODEL and (kind, because) != SPOILT
    return True if counts else None


Verdict = Literal["pass", "hold", "fail"]
SHARES = tuple(name for name, measure in measures().items() if measure.share)
"""Measures that are a share of the devices; the gate compares a quantile of all others."""


def judge(
    gate: Gate, enrolled: float, new: Sequence[Vote], old: Sequence[Vote] = (), last: bool = False,
    needed: int | None = None, others_needed: int | None = None,
) -> GateSeen:  # fmt: skip
    """Evaluate one gate.

    Args:
        gate: gate of the plan; with a `ratio`, values up to its `limit` always pass.
        enrolled: time limit of the plan: devices enrolled later do not count.
        new: one vote for each device that has, or had, the new release.
        old: one vote for each device with an older release at the same time; used only if the gate has a ratio.
        last: whether this is the plan's last stage, in which finally no device keeps the old release.
        needed: devices for a word, where the stage has fewer than the gate's quorum; 0 where it has none.
        others_needed: devices with an older release to compare with; as many as `needed` where it is None.

    'fail' is statistically significant; 'hold' needs more devices or time. `allowed` is the limit that applied, also if
    it is relative. The gate fails if the lower confidence bound is above the limit: a release exactly at the limit
    fails by chance in at most 5 % of single evaluations (repeated evaluations raise that, a smaller value lowers it).
    The gate passes if the value itself is within the limit. Everything between is 'hold'.
    """
    counted = weigh([voice for voice in new if voice.enrolled <= enrolled], gate.batch, gate.quorum)
    count = len(counted.values)
    needed = gate.quorum if needed is None else needed
    if count < needed:
        why = f"{gate.measure}: {count} of the {needed} required devices have reported"
        return GateSeen(measure=gate.measure, verdict="hold", counted=count, needed=needed, why=why)
    if not count:
        return GateSeen(measure=gate.measure, verdict="pass", why=f"{gate.measure}: the stage has no device")
    value, low, high = _measured(gate, counted)
    if count < gate.quorum and gate.measure not in SHARES:
        low = 0.0  # so few devices can all lie above the fleet's quantile by chance
    kind, strict = gate.limit, gate.limit
    if gate.ratio:
        others = weigh([voice for voice in old if voice.enrolled <= enrolled], gate.batch, gate.quorum)
        compared = needed if others_needed is None else others_needed
        if len(others.values) < compared and (value > gate.limit or not gate.limit):
            return _alone(gate, count, (len(others.values), compared), (value, low, high), last)
        theirs, _, maximum = _measured(gate, others) if others.values else (0.0, 0.0, 0.0)
        kind, strict = max(gate.limit, gate.ratio * maximum), max(gate.limit, gate.ratio * theirs)
    verdict: Verdict = "fail" if low > kind else "hold" if value > strict else "pass"
    return GateSeen(
        measure=gate.measure, verdict=verdict, value=value, low=low, high=high, allowed=strict, counted=count,
        needed=needed, why=_say(gate, verdict, (value, low, high), strict, count),
    )  # fmt: skip


def together(results: Sequence[GateSeen]) -> Verdict:
    """Return the strictest result of all gates."""
    reported = {result.verdict for result in results}
    return "fail" if "fail" in reported else "hold" if "hold" in reported else "pass"


def _measured(gate: Gate, counted: WeightedVotes) -> tuple[float, float, float]:
    """Return the value and its lower and upper bound."""
    if gate.measure in SHARES:
        part = sum(w for v, w in zip(counted.values, counted.weights, strict=True) if v > 0.5) / sum(counted.weights)
        return part, *share_bounds(part, counted.sample)
    # One-sided 95 % confidence bounds of the fleet's quantile.
    spread = SURE * math.sqrt(gate.quantile * (1.0 - gate.quantile) / counted.sample)
    levels = gate.quantile, max(0.0, gate.quantile - spread), min(1.0, gate.quantile + spread)
    value, low, high = (quantile(counted, level) for level in levels)
    return value, low, high


def _alone(gate: Gate, count: int, others: tuple[int, int], value: tuple[float, float, float], last: bool) -> GateSeen:
    """Return the result of a ratio gate with too few devices left for comparison."""
    verdict: Verdict = "pass" if last else "hold"
    why = f"{gate.measure}: {others[0]} of the {others[1]} devices needed still have the old release for comparison"
    if last:
        why += "; the last stage allows that"
    return GateSeen(
        measure=gate.measure, verdict=verdict, value=value[0], low=value[1], high=value[2], counted=count,
        needed=others[1], why=why,
    )  # fmt: skip


def _say(gate: Gate, verdict: Verdict, value: tuple[float, float, float], allowed: float, count: int) -> str:
    """Return the sentence that explains a result."""
    unit = measures()[gate.measure].unit
    if gate.measure in SHARES:
        text = f"{gate.measure}: {value[0]:.1%} of {count} devices (95 % bounds: {value[1]:.1%} to {value[2]:.1%})"
        limit = f"{allowed:.1%}"
    else:
        which = "median" if gate.quantile == 0.5 else f"quantile {gate.quantile:g}"
        bounds = f"95 % bounds: {value[1]:.4g} to {value[2]:.4g}"
        text = f"{gate.measure}: {which} {value[0]:.4g}{unit} of {count} devices ({bounds})"
        limit = f"{allowed:.4g}{unit}"
    if gate.ratio:
        limit += f", {gate.ratio:g} times that of the old release"
    ends = {"fail": "above", "hold": "above, but not significantly,", "pass": "within"}
    return f"{text}, {ends[verdict]} the limit {limit}"


_WRITERS: Mapping[str, Callable[[float], str]] = {" s": seconds_text, " B": bytes_text}
HEALTH = "confirmed"
"""Name of the share of healthy devices among the gates."""
_WORDS = {
    "failed": "Devices on which the release failed", "silent": "Devices that fell silent", "latency": "p99 latency",
    "memory": "Memory of the model's process", "classes": "Shift of the answers", "processor": "Processor time",
}  # fmt: skip


def title_of(measure: str) -> str:
    """Return a gate's name for people."""
    if measure == HEALTH:
        return "Healthy devices"
    return _WORDS.get(measure) or (meaning(measure).partition(",")[0] if measure in measures() else measure)


def is_share(measure: str) -> bool:
    """Return whether a gate's values are shown in percent."""
    known = measures().get(measure)
    return measure == HEALTH or (known is not None and (known.share or known.is_fraction))


def value_text(measure: str, value: float) -> str:
    """Return a gate's value with its unit."""
    if is_share(measure):
        return percent(value)
    unit = measures()[measure].unit
    write = _WRITERS.get(unit)
    return f"{value:.3g}{unit}" if write is None else write(value)


def reason(seen: RolloutSeen) -> str:
    """Return in one sentence why a rollout that is paused or aborted stopped."""
    failing = next((gate for gate in seen.gates if gate.verdict == "fail"), None)
    if seen.state == "aborted" and failing is not None and failing.why in seen.why:
        return f"Halted in stage {seen.stages[seen.stage].name!r}: {_sentence_of(failing)}."
    return f"{seen.state.capitalize()}: {seen.why}."


def _sentence_of(gate: GateSeen) -> str:
    if gate.measure == HEALTH or gate.value is None or gate.allowed is None:
        return f"only {plural(gate.counted, 'device')} reported to be healthy, and {gate.needed} must"
    value, allowed = (value_text(gate.measure, number) for number in (gate.value, gate.allowed))
    if measures()[gate.measure].share:
        deed = {"failed": "the release failed on", "silent": "silence fell on"}.get(gate.measure, "the gate counts")
        share = f"{deed} {value} of {plural(gate.counted, 'device')}"
        return f"{share}, and the limit is {allowed}"
    name = title_of(gate.measure)
    return f"{name[:1].lower()}{name[1:]} is {value}, and the limit is {allowed}"


def deciding(seen: RolloutSeen) -> str:
    """Return the gate that decides: one that fails, else the nearest to its limit; empty where none has a value."""
    known = [gate for gate in seen.gates if gate.value is not None and gate.allowed is not None]
    known.sort(key=lambda gate: (gate.verdict == "fail", (gate.value or 0.0) / max(gate.allowed or 0.0, 1e-12)))
    return known[-1].measure if known else ""


@dataclass(frozen=True)
class Act:
    """Something that a person does to a rollout.

    Attributes:
        title: of its button; `sure` is that of the second look.
        states: of rollouts in which it is possible.
        effect: returns what will happen.
        needs_reason: whether the reason is required.
    """

    title: str
    sure: str
    states: tuple[str, ...]
    effect: Callable[[RolloutSeen, RolloutMap], str]
    needs_reason: bool = False

    def fits(self, seen: RolloutSeen, now: float) -> bool:
        """Return whether it is possible now; a stage ends by hand only after its time, and while it holds."""
        return seen.state in self.states and (self is not ACTS["promote"] or (now >= seen.due and bool(seen.holds)))


def _begins(seen: RolloutSeen, rollout_map: RolloutMap, stage: int) -> str:
    members = sum(sum(part.states.values()) for part in rollout_map.stages[: stage + 1])
    waiting = sum(part.states.get("waiting", 0) for part in rollout_map.stages[: stage + 1])
    return f"{plural(members, 'device')}, of which {waiting} wait"


def _resumed(seen: RolloutSeen, rollout_map: RolloutMap) -> str:
    stage = seen.stages[seen.stage].name
    return (
        f"Stage {stage!r} goes on: it is for {_begins(seen, rollout_map, seen.stage)}. The gates keep watching, and "
        "halt the rollout if one of them fails."
    )


def _paused(seen: RolloutSeen, rollout_map: RolloutMap) -> str:
    return f"No device begins until you resume it. {plural(seen.running, 'device')} with the release keep it."


def _promoted(seen: RolloutSeen, rollout_map: RolloutMap) -> str:
    last = seen.stage + 1 >= len(seen.stages)
    if last:
        then = f"The rollout is finished; its gates watch it for {elapsed_text(seen.watch)} more."
    else:
        following = seen.stages[seen.stage + 1]
        then = f"Stage {following.name!r} begins: it is for {_begins(seen, rollout_map, seen.stage + 1)}."
    return f"Stage {seen.stages[seen.stage].name!r} ends although it holds: {seen.holds}. {then}"


def _aborted(seen: RolloutSeen, rollout_map: RolloutMap) -> str:
    keep = plural(seen.running, "device")
    return f"No further device begins. {keep} with the release keep it, unless you tick the box."


ACTS: Mapping[str, Act] = {
    "pause": Act("Pause", "Pause", ("running",), _paused),
    "resume": Act("Resume", "Resume", ("paused",), _resumed),
    "promote": Act("Promote", "End this stage", ("running",), _promoted, needs_reason=True),
    "abort": Act("Abort", "Abort permanently", ("running", "paused"), _aborted),
}
