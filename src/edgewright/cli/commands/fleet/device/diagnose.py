"""`edgewright fleet device diagnose`: the health of a device, and its log."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.commands.fleet.device._diagnosis import DiagnosisOptions, fetch, log_lines
from edgewright.cli.commands.fleet.devices import vitals_text
from edgewright.cli.text import when
from edgewright.core.formatting import elapsed_text
from edgewright.schema.fleet_diagnosis import Diagnosis, StoreHealth

_MIB = 1 << 20


@declare(example="pump-017 --fleet my-fleet")
def command(*, device: str = argument(metavar="NAME"), options: DiagnosisOptions, api: ApiOptions) -> Result:
    """Show the health of a device: release, machine, store and log.

    The device learns of the request with its next report and answers at once, with listed fields only and without data
    rows. The server keeps the newest five answers of a device. NAME is its id or its whole name.
    """
    return fetch(api, device, options, lambda diagnosis: [*health_lines(diagnosis), "", *log_lines(diagnosis)])


def health_lines(of: Diagnosis) -> list[str]:
    """Return everything but the log."""
    machine = of.machine
    lines = [
        f"at {when(of.at)} UTC by the device's clock, Edgewright {of.version}",
        f"release {of.counter} in slot {of.active or '-'}, floor {of.floor}, {of.phase}: {of.why or '-'}",
        f"machine: {machine.system}, Python {machine.python}, up {elapsed_text(machine.uptime)}, "
        f"load {' '.join(f'{one:.2f}' for one in machine.load)} on {machine.processors} cores",
        f"memory: {machine.memory_available // _MIB:,} of {machine.memory // _MIB:,} MiB available; "
        f"agent {machine.agent_memory // _MIB} MiB",
        f"disk: {machine.disk_free // _MIB:,} of {machine.disk // _MIB:,} MiB free",
    ]
    if of.vitals is not None:
        lines.append(f"model: {vitals_text(of.vitals)}")
    if of.burned:
        lines.append(f"releases that failed here: {', '.join(map(str, of.burned))}")
    if of.quarantined:
        lines.append(f"quarantined: {of.quarantined}")
    if of.outcomes:
        lines.append(f"outcomes not reported yet: {of.outcomes}")
    return [*lines, *(_store_lines(of.store) if of.store else [f"store: cannot be read: {of.store_error}"])]


def _store_lines(of: StoreHealth) -> list[str]:
    tables = ", ".join(f"{one.entries:,} {name} ({one.bytes // 1024:,} kB)" for name, one in of.tables.items())
    waiting = sum(of.waiting.values())
    lines = [
        f"store: {of.disk_bytes // _MIB} of {of.quota // _MIB} MiB, ballast {of.ballast_bytes >> 10:,} kB, "
        f"boot {of.boot}, {of.running_days:.1f} days of running; {tables}",
        f"outbox: {waiting:,} wait, {of.waiting.get(0, 0):,} of them alarms; {sum(of.aside.values()):,} set aside",
    ]
    lines += [f"  lost: {one.items:,} items of priority {one.priority} ({one.reason})" for one in of.dropped]
    return lines
