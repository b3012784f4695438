"""`edgewright studio`: runs in a browser."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import (
    INTERRUPTED,
    FleetMissingError,
    FolderMissingError,
    MissingExtraError,
    OptionMissingError,
)

if TYPE_CHECKING:
    from edgewright.studio.phone.server import PhonePages
    from edgewright.studio.server import Listening

_PHONE_PORT = 8798


@declare(example="runs --port 8900 --no-open")
def command(
    folder: Path = argument(metavar="[DIR]", default=Path("runs")),
    port: int = option(type=click.IntRange(0, 65535), default=8797, help="Port; 0 takes a free one."),
    host: str = option(metavar="ADDRESS", default="127.0.0.1", help="Address to listen at. Others need --users."),
    users: Path | None = option(metavar="FILE", help="Users of a shared studio (edgewright studio-user add)."),
    certificate: Path | None = option(metavar="FILE", help="TLS certificate in PEM, for --users."),
    key: Path | None = option(metavar="FILE", help="Private key of the certificate in PEM."),
    fleet: Path | None = option(metavar="DIR", help="Folder of a fleet to show as well."),
    no_open: bool = option(help="Do not open a browser."),
    phone: bool = option(help="Show a code that opens a page on a phone: record labelled samples, run a model there."),
    phone_address: str = option(metavar="ADDRESS", help="Address of this machine for the phone; found by default."),
    phone_port: int = option(type=click.IntRange(0, 65535), default=_PHONE_PORT, help="Its port; 0 takes a free one."),
) -> int:
    """Browse the runs in DIR, start new ones and watch them, in a browser.

    Only you can use it: the printed address contains a secret token. Other programs of yours find the token in
    ~/.local/state/edgewright/studio/PORT.json. Ctrl-C stops the studio and the runs that were started in it. With
    --phone, the phone's pages alone are served on the local network, over TLS, to whoever first opens the address of
    the code. With --users, --certificate and --key, several people share the studio, each with a token and a role.
    """
    with loading():
        import python_multipart  # noqa: F401 - forms with files need it; asked for now, not at the first form

        from edgewright.core.request_origin import free_port
        from edgewright.studio.server import serve

    if folder.exists() and not folder.is_dir():
        raise FolderMissingError("a folder of runs", "a file", click.format_filename(folder))
    if (folder / "trace.json").exists():
        parent = click.format_filename(folder.parent)
        raise FolderMissingError("a folder of runs", "a run", click.format_filename(folder), f"Give {parent}")
    if fleet is not None and not (fleet / "fleet.toml").is_file():
        location = click.format_filename(fleet)
        raise FleetMissingError(
            "the folder of a fleet", "none", location, f"Make one: edgewright fleet init {location}"
        )
    if not phone and (phone_address or phone_port != _PHONE_PORT):
        raise OptionMissingError(
            "--phone with --phone-address and --phone-port", "neither", "the command", "Add --phone"
        )
    listening = _listening(host, users, certificate, key)
    chosen = free_port(host, port)
    pages = _phone_pages(phone_address, phone_port) if phone else None
    folder.mkdir(parents=True, exist_ok=True)

    def ready(address: str) -> None:
        click.echo(f"studio of {click.format_filename(folder)} at {address}  (Ctrl-C ends it)")
        if pages is not None:
            _show_code(pages)

    second = None
    if pages is not None:
        from edgewright.studio.phone.server import phone_server

        second = phone_server(folder, pages)
    ended = serve(
        folder, chosen, ready, browser=not no_open, fleet=fleet, second_server=second, listening=listening
    )  # fmt: skip
    return INTERRUPTED if ended == signal.SIGINT else 0


def _listening(host: str, users: Path | None, certificate: Path | None, key: Path | None) -> Listening:
    """Return where the studio listens and for whom.

    Raises:
        InputError: a shared studio without TLS or users, or an invalid file.
    """
    from edgewright.core.request_origin import server_context
    from edgewright.studio.access import shared_access
    from edgewright.studio.local_server import ADDRESS
    from edgewright.studio.server import Listening

    given = {"--users": users, "--certificate": certificate, "--key": key}
    missing = [name for name, value in given.items() if value is None]
    if users is None or certificate is None or key is None:
        if host == ADDRESS and len(missing) == len(given):
            return Listening()
        text = f"{', '.join(given)} for a studio that others can reach"
        raise OptionMissingError(text, f"no {', '.join(missing)}", "the command", "See edgewright studio-user --help")
    return Listening(host, server_context(certificate, key), shared_access(users))


def _phone_pages(address: str, port: int) -> PhonePages:
    """Return where the phone's pages will be.

    Raises:
        MissingExtraError: the extra `phone` is not installed.
        InputError: no address of a local network, or the port is taken.
    """
    from importlib.util import find_spec

    for name in ("segno", "cryptography", "ziglang"):
        if find_spec(name) is None:
            raise MissingExtraError("phone", name)
    from edgewright.core.request_origin import free_port
    from edgewright.studio.phone.certificate import Access, local_addresses, own_certificate, phone_address
    from edgewright.studio.phone.server import PhonePages

    chosen = phone_address(address)
    port = free_port(chosen, port)
    certificate = own_certificate(sorted({chosen, *local_addresses()}))
    return PhonePages(chosen, port, certificate, Access())


def _show_code(pages: PhonePages) -> None:
    import io

    import segno

    from edgewright.studio.phone.certificate import LIFETIME_S

    sheet = io.StringIO()
    segno.make(pages.url, micro=False).terminal(sheet, compact=True)
    click.echo(sheet.getvalue())
    click.echo(f"phone: {pages.url}")
    click.echo(
        f"Scan the code with a phone on the same network within {LIFETIME_S / 60:g} minutes; it opens the page once. "
        f"The browser warns of a certificate that it does not know: its SHA-256 is {pages.certificate.fingerprint}"
    )
