"""Rollouts on a stick: believed where the network's word is not fresh, and never against its aborts."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import Device, Fleet, plan

from edgewright.fleet.device.trust.client import CombinedRepository, Stick, StickMount, _is_remote
from edgewright.fleet.protocol.layout import Unreachable


class Slot(StickMount):
    """Where a stick is, or is not."""

    def __init__(self) -> None:
        self.stick: Fleet | None = Fleet()

    def look(self) -> Stick | None:
        return None if self.stick is None else Stick(self.stick, self.stick)


class Both(CombinedRepository):
    """With the control plane of the network."""

    def __init__(self, fleet: Fleet, slot: Slot) -> None:
        super().__init__(fleet, fleet, slot)
        self.fleet = fleet
        self.intent = fleet.intent


def device_with(folder: Path) -> tuple[Device, Fleet, Slot]:
    fleet, slot = Fleet(), Slot()
    return Device(folder, Both(fleet, slot)), fleet, slot  # type: ignore[arg-type]


def test_a_device_without_a_network_takes_a_release_from_a_stick(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    fleet.online = fleet.fresh = False
    assert slot.stick is not None
    slot.stick.publish(plan(1))
    device.run(600.0)
    assert device.active() == 1
    assert device.state.device_state.floor == 1


def test_a_rollout_that_the_network_paused_does_not_begin_from_a_stick_while_that_word_is_fresh(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    assert slot.stick is not None
    fleet.publish(plan(1), "paused")
    device.run(100.0)
    fleet.online = False
    slot.stick.publish(plan(1))
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 0
    assert "paused" in device.agent.why
    fleet.fresh = False
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 1


def test_while_the_network_answers_a_stick_says_nothing(tmp_path: Path) -> None:
    device, _, slot = device_with(tmp_path)
    assert slot.stick is not None
    slot.stick.publish(plan(1))
    device.run(600.0)
    assert device.active() == 0


def test_what_the_network_aborted_stays_aborted(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    assert slot.stick is not None
    fleet.publish(plan(1), "aborted")
    device.run(100.0)
    fleet.online = fleet.fresh = False
    slot.stick.publish(plan(1))
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 0


def test_a_stick_that_is_taken_out_is_waited_for(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    fleet.online = fleet.fresh = False
    assert slot.stick is not None
    slot.stick.publish(plan(1))
    slot.stick.broken_after = 1000
    device.run(1.0)
    assert device.active() == 0
    stick, slot.stick = slot.stick, None
    device.run(300.0)
    assert device.active() == 0
    slot.stick, stick.broken_after = stick, None
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 1
    with pytest.raises(Unreachable):
        slot.stick = None
        Both(fleet, slot).read("stick:x", 0, 1)


def test_a_stick_with_a_flipped_byte_is_no_verdict_and_gives_way_to_the_network(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    fleet.online = fleet.fresh = False
    assert slot.stick is not None
    slot.stick.publish(plan(1))
    target = "packages/pump-1.edge"
    right = slot.stick.bytes[target]
    slot.stick.bytes[target] = b"?" + right[1:]
    device.run(600.0)
    assert (device.active(), device.told()) == (0, [])
    assert "the USB stick" in device.agent.facts().transport_fault
    assert slot.stick.reads.count(0) > 2  # asked again
    fleet.publish(plan(1))
    fleet.online = fleet.fresh = True
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 1
    assert fleet.reads == [0]


def test_a_stick_that_was_wrong_once_is_enough_where_there_is_no_network(tmp_path: Path) -> None:
    device, fleet, slot = device_with(tmp_path)
    fleet.online = fleet.fresh = False
    assert slot.stick is not None
    slot.stick.publish(plan(1))
    target = "packages/pump-1.edge"
    right = slot.stick.bytes[target]
    slot.stick.bytes[target] = b"?" + right[1:]
    device.run(60.0)
    slot.stick.bytes[target] = right
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 1


def test_a_folder_of_another_machine_is_no_stick(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"dev / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\ndev {tmp_path}/usb vfat rw 0 0\n")
    assert _is_remote(tmp_path / "folder", mounts)
    assert not _is_remote(tmp_path / "usb", mounts)
    assert not _is_remote(Path("/opt"), mounts)


def test_without_a_pinned_root_there_is_no_stick(tmp_path: Path) -> None:
    (tmp_path / "usb" / "edgewright" / "metadata").mkdir(parents=True)
    device, _, _ = device_with(tmp_path / "store")
    assert StickMount(tmp_path / "usb", tmp_path / "store", device.clock).look() is None
