"""`python -m benchmarks.fleet.server DIR`: the control plane's endpoints and files; prints its port when it answers."""

from __future__ import annotations

import sys
from pathlib import Path

from edgewright.fleet.server import http_server
from edgewright.fleet.server.control_plane import Limits, open_plane
from edgewright.fleet.server.http_server import Listening, serve


def main() -> None:
    """Serve until it is told to end."""
    http_server.PARTS = ()  # what is measured are polls and reports; a folder without keys has no signer
    # A generator on one machine stands for many: one device's rate must not bound it.
    plane = open_plane(Path(sys.argv[1]), limits=Limits(requests=1e6, burst=1e6, bytes_a_day=1 << 50))
    where = Listening(port=0).checked()
    serve(plane, where, lambda address: print(where.port, flush=True))


if __name__ == "__main__":
    main()
