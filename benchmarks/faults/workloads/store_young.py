"""A young store on a disk that becomes full: it holds unsent alarms and little else, and none of them goes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from benchmarks.faults.workloads import store as quiet
from benchmarks.faults.workloads import store_full as full
from edgewright.device.store.store import Store

# As the checks of a full disk open it.
DISK = full.DISK
_ROUNDS, _LEFT = 12, 16 << 10


def use(folder: Path, recorder: Recorder) -> None:
    """Alarms alone, until the disk is full but for the ballast, and on."""
    alarms: list[tuple[int, int]] = []
    for boot in range(2):
        store = Store.open(folder, full.CONFIG, "device-1", quiet.Clock(), recorder.connect)
        if boot == 0:
            # Somebody else's file takes the rest of the disk.
            (folder / "other").write_bytes(bytes(recorder.free() - _LEFT))
        for turn in range(_ROUNDS):
            alarms += full.raise_alarm(store, turn)
            recorder.promise(full.Promise(tuple(alarms)))
        quiet.leave(store) if boot == 0 else store.close()


WORKLOAD = Workload("young store on a full disk", use, full.recover, full.check, disk=DISK)
