"""A gateway's shadows while services write, devices report and another copy merges: nothing that was told is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.device.bus.shadow_store import SHADOW_FILE, Key, Message, Register, Shadow, Shadows, ShadowStore

_BATCHES, _DEVICES, _LATER = 1000, ("boiler", "hall", "room"), "later"
Promise: TypeAlias = dict[str, dict[Key, Register]]


def _known(shadows: dict[str, Shadow]) -> Promise:
    return {device: dict(one.registers) for device, one in sorted(shadows.items()) if one.registers}


def _copy(number: int) -> bytes:
    other = Shadow()
    for step in range(number % 7 + 1):
        other.write(
            "desired", {"mode": f"away {number}.{step}", f"key{number % 5}": None if step % 2 else step}, "cloud"
        )
    return other.encode()


def use(folder: Path, recorder: Recorder) -> None:
    """Take batches of writes, deletions, reports and copies; what came of each is told after its commit."""
    store = ShadowStore(folder, recorder.connect, origin="gateway")
    shadows = Shadows(store)
    recorder.promise(_known(shadows.shadows))
    for number in range(_BATCHES):
        one, other = _DEVICES[number % 3], _DEVICES[(number + 1) % 3]
        lamp, text = b"null" if number % 4 == 0 else b"true", b"x" * (number * 13 % 600)
        shadows.take([
            Message("desired", one, b'{"setpoint": %d, "lamp": %s}' % (number, lamp)),
            Message("reported", other, b'{"setpoint": %d, "text": "%s"}' % (number // 2, text)),
            Message("copy", one, _copy(number)),
        ])  # fmt: skip
        recorder.promise(_known(shadows.shadows))
    store.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again and take one message."""
    Shadows(ShadowStore(folder, recorder.connect, origin="gateway")).take(
        [Message("desired", _LATER, b'{"lamp": true}')]
    )


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with the shadows after a cut; empty for nothing."""
    if before is None and not (folder / SHADOW_FILE).exists():
        return ""
    store = ShadowStore(folder)
    registers_known = _known(store.load())
    store.close()
    registers_known.pop(_LATER, None)
    known = [one for one in (before or {}, after) if one is not None]
    return (
        ""
        if registers_known in known
        else f"{sum(map(len, registers_known.values()))} registers that nobody was told of"
    )


WORKLOAD = Workload(
    what="shadows of a gateway: writes, reports, merges", use=use, recover=recover, check=check, share=0.25, kills=300
)
