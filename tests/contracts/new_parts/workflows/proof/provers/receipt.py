"""A receipt has no form besides its own: none of them is proven."""

from __future__ import annotations

from edgewright.schema.errors import InputError
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.proof.provers import ProofRequest, Prover


def prove_receipt(request: ProofRequest) -> ProofRecord:
    """Refuse the file.

    Raises:
        InputError: always.
    """
    raise InputError("a file that is proven", "a receipt", str(request.path))


PROVER = Prover("receipt.json", prove_receipt)
