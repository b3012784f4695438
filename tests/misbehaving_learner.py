"""The process in which a device learns with its fleet, on devices that misbehave: `MISBEHAVES` says how.

'attacks' sends the opposite of its signs, more of them than its share as far as that hides; 'garbage' sends numbers by
chance; 'dies' is killed in each round after its masks are in the sum and before its change is. `environment` lets the
launcher start an agent whose process of learning is this one.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.federation.member import Member
from edgewright.core.federation.messages import Begin, Masked
from edgewright.fleet.device import federation, federation_process
from edgewright.fleet.device.environments import FACTORY_VARIABLE
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Examples

MISBEHAVES = "EDGEWRIGHT_TEST_MISBEHAVES"
_AGENT = (
    "from edgewright.fleet.device import runner as w; w._MODULE = 'misbehaving_learner'; w._AGAIN_S = 0.5; "
    "from edgewright.cli.main import main; main()"
)


def environment(folder: Path, misbehaves: str) -> dict[str, str]:
    """Return variables with which the launcher starts an agent that learns in this way; a script is its Python."""
    python = folder / "misbehaving_python"
    if not python.exists():
        # The launcher's first arguments are `-m edgewright`.
        python.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} -c "{_AGENT}" "$@"\n')
        python.chmod(0o755)
    return {MISBEHAVES: misbehaves, FACTORY_VARIABLE: str(python), "PYTHONPATH": str(Path(__file__).parent)}


def _attack(factory: Any, begin: Begin, hidden: Any, labels: Any) -> Any:  # noqa: ANN401 - as `contribution`
    attack = {"attacks": "bounded", "garbage": "random"}[os.environ[MISBEHAVES]]
    return ATTACKS[attack](factory, begin, Examples(hidden, labels), np.random.default_rng(secrets.randbits(64)))


class _Dying(Member):
    def answer(self, data: bytes) -> bytes | None:
        """Return the next message, but for the masked change: the process is killed."""
        answer_given = super().answer(data)
        if isinstance(self._sent, Masked):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer_given


if __name__ == "__main__":
    if os.environ[MISBEHAVES] == "dies":
        federation.Member = _Dying  # type: ignore[attr-defined]
    else:
        federation.contribution = _attack  # type: ignore[attr-defined]
    sys.exit(federation_process.main(sys.argv[1:]))
