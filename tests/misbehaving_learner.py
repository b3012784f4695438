"""The process in which a device learns with its fleet, on devices that misbehave: `MISBEHAVES` says how.

'attacks' sends the opposite of its change, as long as a group's sum may be; 'dies' is killed in each round after its
masks are in the sum and before its change is. `AGENT` starts an agent whose process of learning is this one.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from typing import Any

import numpy as np

from edgewright.core.federation.member import Member
from edgewright.core.federation.messages import Begin, Masked
from edgewright.fleet.device import federation, federation_process
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Examples

MISBEHAVES = "EDGEWRIGHT_TEST_MISBEHAVES"
AGENT = (
    "from edgewright.fleet.device import federation_worker as w; w._MODULE = 'misbehaving_learner'; w._AGAIN_S = 0.5; "
    "from edgewright.cli.main import main; main()"
)


def _attack(factory: Any, begin: Begin, hidden: Any, labels: Any) -> Any:  # noqa: ANN401 - as `contribution`
    return ATTACKS["bounded"](factory, begin, Examples(hidden, labels), np.random.default_rng(secrets.randbits(64)))


class _Dying(Member):
    def answer(self, data: bytes) -> bytes | None:
        """Return the next message, but for the masked change: the process is killed."""
        found = super().answer(data)
        if isinstance(self._sent, Masked):
            os.kill(os.getpid(), signal.SIGKILL)
        return found


if __name__ == "__main__":
    if os.environ[MISBEHAVES] == "attacks":
        federation.contribution = _attack  # type: ignore[attr-defined]
    else:
        federation.Member = _Dying  # type: ignore[attr-defined]
    sys.exit(federation_process.main(sys.argv[1:]))
