"""Files that remember what came before and are proven on their own: every file offers `PROVER`."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.core import catalogue
from edgewright.core.records.proof import ProofRecord
from edgewright.workflows.proof.artifacts import Change, Files


@dataclass(frozen=True)
class ProofRequest:
    """What is asked of a prover.

    Attributes:
        path: path of the file.
        data: rows to prove with; empty for rows of the file's own, or drawn ones.
        rows: most rows.
        device: profile whose processor is emulated as one more form; empty for none.
        change: of generated C before it is compiled, to plant a fault; None for none.
    """

    path: Path
    data: str = ""
    rows: int = 1000
    device: str = ""
    change: Change | None = None

    def changed(self, files: Files) -> Files:
        """Return files of generated C, with the fault where one is planted."""
        return files if self.change is None else self.change(files)


@dataclass(frozen=True)
class Prover:
    """The one object `PROVER` of a file.

    Attributes:
        spec: name of the JSON that identifies the file.
        prove: proves it; raises `InputError` for a file, or rows, that cannot be.
        earlier: names of that JSON in earlier versions of the format.
    """

    spec: str
    prove: Callable[[ProofRequest], ProofRecord]
    earlier: tuple[str, ...] = ()


def prover_of(path: Path) -> Prover | None:
    """Return the prover of a file; None for runs, packages and models."""
    if not path.is_file() or path.suffix in (".onnx", ".tflite", ".edge"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return None
    provers: list[Prover] = [
        importlib.import_module(f"{__name__}.{name}").PROVER for name in catalogue.listing(__name__, "PROVER")
    ]
    return next((prover for prover in provers if names & {prover.spec, *prover.earlier}), None)
