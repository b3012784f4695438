"""`edgewright fleet device retire`: refuse a device and its key for ever."""

from __future__ import annotations

from edgewright.cli.command import Aside, Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="pump-017 --reason 'stolen from site 4'")
def command(
    *,
    device: str = argument(metavar="NAME"),
    reason: str = option(required=True, help="Reason, for the audit log and the device."),
    api: ApiOptions,
) -> Result:
    """Retire a device that was stolen or scrapped; this cannot be undone.

    The control plane refuses it from now on, and its key never enrols again, with any token. The device says so in its
    log. If the device is to return, empty its store and enrol it with a new token: it is a new device then.
    """
    from edgewright.cli.commands.fleet.device._output import change
    from edgewright.schema.fleet_api import Retired

    retired = change(api, device, "retire", Retired, {"reason": reason})
    note = Aside(
        "note: its enrolment token can still be used, also by whoever has the device; revoke it: "
        f"edgewright fleet token revoke {retired.token}"
    )
    return Result(retired, [f"{device} is retired", *([note] if retired.token else [])])
