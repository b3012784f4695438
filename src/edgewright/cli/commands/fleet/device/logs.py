"""`edgewright fleet device logs`: the last log lines of a device."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.commands.fleet.device._diagnosis import DiagnosisOptions, fetch, log_lines


@declare(example="pump-017 --lines 50 --fleet my-fleet")
def command(*, device: str = argument(metavar="NAME"), options: DiagnosisOptions, api: ApiOptions) -> Result:
    """Show the last log lines of a device's agent and of its model's process.

    The device learns of the request with its next report and answers at once. Lines of the model's process come without
    figures and quotations, so that no data row leaves the device. NAME is its id or its whole name.
    """
    return fetch(api, device, options, log_lines)
