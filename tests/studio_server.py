"""The studio as a process on a free port of this machine, as `edgewright studio` starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 30
# A test run in the background ignores Ctrl-C, and so would its children.
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from edgewright.cli.main import main; main()"
)


class StudioAddress(str):
    """Address of a studio without a slash at the end.

    Attributes:
        token: the owner's secret.
    """

    token = ""

    @property
    def sign_in(self) -> str:
        """The address that the command prints."""
        return f"{self}/?token={self.token}"

    @property
    def headers(self) -> dict[str, str]:
        """The header of other programs of the same user."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def cookie(self) -> Any:  # noqa: ANN401 - a typed dictionary of Playwright
        """A new session, as Playwright's `add_cookies` takes it."""
        with urllib.request.urlopen(self.sign_in) as answer:  # noqa: S310 - of this machine
            name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        return {"name": name, "value": value, "url": str(self), "httpOnly": True, "sameSite": "Strict"}


def printed_address(line: str) -> StudioAddress | None:
    """Return the address in a line that the command printed."""
    match = re.search(r"(http://127\.0\.0\.1:\d+)/(?:\?token=|v1, API key )(\S+)", line)
    if match is None:
        return None
    address = StudioAddress(match[1])
    address.token = match[2]
    return address


@contextmanager
def started(
    folder: Path, *options: str, end: bool = True, python: Path = Path(sys.executable)
) -> Iterator[tuple[StudioAddress, subprocess.Popen[str]]]:
    """Provide a studio over a folder: its address and process, which is ended as Ctrl-C does."""
    process = subprocess.Popen(
        [str(python), "-u", "-c", START, "studio", str(folder), "--port", "0", "--no-open", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = printed_address(line)
        if address is None:
            raise AssertionError(f"no address: {line!r} {process.communicate(timeout=PATIENCE)}")
        yield address, process
    finally:
        if end and process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
