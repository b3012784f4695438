"""What the commands on one device share."""

from __future__ import annotations

from typing import TypeVar

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part

T = TypeVar("T")


def change(api: ApiOptions, name: str, act: str, kind: type[T], record: object) -> T:
    """Send one change of a device.

    Args:
        api: the control plane.
        name: of the device: its id or its whole name.
        act: last part of the path, such as 'block'.
        kind: type of the answer.
        record: body of the request.

    Raises:
        InputError: no such device, or several.
        CheckFailedError: it does not fit what holds now.
    """
    from edgewright.cli.commands.fleet.devices import device_id

    with api.connect() as client:
        return client.ask(kind, "POST", f"/v1/fleet/devices/{part(device_id(client, name))}/{act}", record)


def command_with_reason(act: str, about: str, done: str) -> click.Command:
    """Return the command of an act that only needs a reason.

    Args:
        act: its name, and the last part of the path.
        about: its help.
        done: printed afterwards, after the device's name.
    """

    @declare(name=act, help=about, epilog=f"Example: edgewright fleet device {act} pump-017 --reason 'sent for repair'")
    def command(
        *,
        device: str = argument(metavar="NAME"),
        reason: str = option(required=True, help="Reason, for the audit log and the device."),
        api: ApiOptions,
    ) -> Result:
        from edgewright.schema.fleet_api import Done

        return Result(change(api, device, act, Done, {"reason": reason}), [f"{device} {done}"])

    return command
