"""A receipt has no form besides its own: none of them is proven."""

from __future__ import annotations

from edgewright.core.errors import PackageDamagedError
from edgewright.core.records.proof import ProofRecord
from edgewright.workflows.proof.provers import ProofRequest, Prover


def prove_receipt(request: ProofRequest) -> ProofRecord:
    """Refuse the file.

    Raises:
        PackageDamagedError: always.
    """
    raise PackageDamagedError("a file that is proven", "a receipt", str(request.path))


PROVER = Prover("receipt.json", prove_receipt)
