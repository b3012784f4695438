"""`edgewright fleet serve` that kills itself at a moment of a step: FALL=rollout.paused:committed.

Moments: 'signed', before the transaction; 'written', before it is committed; 'committed', before any file is written;
'half', before the timestamp is; 'published', before anybody is answered.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.cli.main import main
from edgewright.fleet.server.rollouts import scheduler, transitions
from edgewright.fleet.server.signer.service import SigningRequest

_ACT, _, _MOMENT = os.environ.get("FALL", "").partition(":")
_now = [""]


def _fall(moment: str) -> None:
    if _ACT and _now[0] == _ACT and moment == _MOMENT:
        os.kill(os.getpid(), signal.SIGKILL)


_request, _commit, _publish = transitions.signing_request, transitions.commit, scheduler.Publisher.publish
_write = vars(scheduler)["write_again"]


def request(connection: sa.Connection, step: transitions.Step) -> SigningRequest:
    _now[0] = step.action
    return _request(connection, step)


def commit(connection: sa.Connection, **arguments: Any) -> None:  # noqa: ANN401 - as the real one
    _fall("signed")
    _commit(connection, **arguments)
    _fall("written")


def publish(self: scheduler.Publisher, again: bool = False) -> bool:
    _fall("committed")
    done = _publish(self, again)
    _fall("published")
    return done


def write(path: Path, data: bytes) -> None:
    if path.name == "timestamp.json":
        _fall("half")
    _write(path, data)


transitions.signing_request, transitions.commit = request, commit
scheduler.Publisher.publish = publish  # type: ignore[method-assign]
vars(scheduler)["write_again"] = write

if __name__ == "__main__":
    main()
