"""`edgewright fleet enroll`: on a device, joins a fleet without starting anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from edgewright._version import __version__
from edgewright.cli.command import Result, argument, declare, option
from edgewright.core.errors import DeviceSettingsError, EnrollmentTokenMissingError, OutputError


@declare(example="https://fleet.example --token-file token.txt --store /var/lib/edgewright")
def command(
    *,
    url: str = argument(metavar="URL"),
    token: str = option(
        envvar="EDGEWRIGHT_TOKEN", metavar="T", help="The enrolment token; other users of this machine see it in ps."
    ),
    token_file: str = option(metavar="FILE", help="File with the enrolment token; - for standard input."),
    store: Path | None = option(metavar="DIR", help="Folder of the device's store; the one of device run by default."),
    name: str = option(metavar="NAME", help="Name of the device; the machine's name by default."),
    profile: str = option(metavar="NAME", help="Hardware profile."),
    ca: str = option(metavar="FILE", help="CA certificates to trust, in PEM."),
) -> Result:
    """Join the fleet at URL: create this device's key, pin the root that the token names, and get an id.

    After that, `edgewright device run --fleet URL` follows the fleet without a token.
    """
    from edgewright.cli.options import enrollment_token
    from edgewright.core.files import private_folder
    from edgewright.device.agent.systemd import store_folder
    from edgewright.fleet.device.enrollment import enrol
    from edgewright.fleet.device.state_database import State
    from edgewright.fleet.protocol.layout import Unreachable
    from edgewright.fleet.protocol.transport import HttpTransport, read_token

    if not (token or token_file):
        raise EnrollmentTokenMissingError(
            "an enrolment token", "none", "--token-file", "Make one: edgewright fleet token new"
        )
    token_read, folder = read_token(enrollment_token(token, token_file)), store_folder(store)
    transport = HttpTransport(url, ca)
    private_folder(folder)
    state = State.open(folder)
    try:
        if state.link.device:
            raise DeviceSettingsError(
                "a device without a fleet", f"device {state.link.device}", click.format_filename(folder)
            )
        joined = enrol(folder, state, transport, token_read, name=name, profile=profile, version=__version__)
        state.change(product=token_read.product)
    except Unreachable as error:
        do = "Set the CA certificate with --ca FILE" if "certificate" in str(error) else "Ask again later"
        raise OutputError("an answer of the fleet", str(error), url, f"{do}; the token is still valid") from None
    finally:
        state.close()
        transport.close()

    def text() -> Iterator[str]:
        tags = ", ".join(joined.tags) or "none"
        yield f"device {joined.device} of {token_read.product}, tags {tags}, batch {joined.batch}"
        more = f" --ca {ca}" if ca else ""
        yield f"next: edgewright device run --fleet {url} --store {click.format_filename(folder)}{more}"

    return Result(joined, text(), compact=True)
