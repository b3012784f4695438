"""The second server of `studio --phone`: TLS on the local network, beside the studio on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from edgewright.fleet.server.http_listener import server_context
from edgewright.studio.local_server import listening
from edgewright.studio.phone.access import Access
from edgewright.studio.phone.app import phone_app
from edgewright.studio.phone.certificate import Certificate


@dataclass(frozen=True)
class PhonePages:
    """Where the phone's pages are and who may open them.

    Attributes:
        address, port: that they are served at.
        certificate: of the connection.
        access: its token is in the code.
    """

    address: str
    port: int
    certificate: Certificate
    access: Access

    @property
    def url(self) -> str:
        """The address with the token, as the code has it."""
        return f"https://{self.address}:{self.port}/?token={self.access.token}"


@asynccontextmanager
async def phone_server(folder: Path, pages: PhonePages) -> AsyncIterator[None]:
    """Serve the phone's pages as long as the context is open.

    Args:
        folder: of runs.
        pages: where.

    Raises:
        InputError: the server did not start.
    """
    app = phone_app(folder, pages.access, pages.address, pages.port)
    tls = server_context(pages.certificate.certificate, pages.certificate.key)
    async with listening(app, pages.address, pages.port, tls):
        yield
