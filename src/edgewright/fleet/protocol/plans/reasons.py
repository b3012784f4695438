"""What a rollout tells a person: why it halted, which gate decides, and what an action on it will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewright.core.formatting import bytes_text, elapsed_text, percent, plural, seconds_text
from edgewright.core.measures import meaning, measures
from edgewright.schema.fleet_watch import GateSeen, RolloutMap, RolloutSeen

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
