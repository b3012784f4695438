"""Every prover of files: known by the name of a JSON in them, and a broken file is one error."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgewright.core.catalogue import find, listing
from edgewright.core.errors import PackageDamagedError
from edgewright.workflows.proof.provers import ProofRequest, Prover, prover_of

FOLDER = "edgewright.workflows.proof.provers"
PROVERS = listing(FOLDER, "PROVER")


def prover(name: str) -> Prover:
    """Return the prover of a file."""
    part: Prover = find(FOLDER, name, "PROVER", "prover")
    return part


def test_no_two_know_one_file() -> None:
    specs = [prover(name).spec for name in PROVERS]
    assert len(set(specs)) == len(specs)


@pytest.mark.parametrize("name", PROVERS)
def test_a_file_is_known_by_its_json_and_refused_when_that_is_empty(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(prover(name).spec, "{}")
    own = prover_of(path)
    assert own is not None and own.spec == prover(name).spec
    with pytest.raises(PackageDamagedError):
        own.prove(ProofRequest(path=path))
