"""What generated C costs on a core: coefficients fitted by `make bench-estimate`, one JSON file a core."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from edgewright.schema.errors import UnknownNameError

FOLDER = Path(__file__).resolve().parent
# Of programs on rows that hold no network, on cores whose library works floats out.
ROWS = FOLDER / "rows"
VERSION = 2


class Core(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coefficients of one core; each sum is over the kinds of a `Program` and the constant under ''.

    A kind that no fitted program has is not among them.

    Attributes:
        version: version of the format.
        name: name of the core.
        made_with: compiler, options and emulator.
        subjects: programs that they were fitted on.
        longest: instructions of the longest of those.
        smallest: bytes of code of the smallest.
        code: bytes a kind that stands in the code.
        instructions: a kind that is worked out once.
        stack: bytes of stack, and of static memory beside the model's values, a kind that stands in the code.
    """

    version: int = VERSION
    name: str
    made_with: str
    subjects: int
    longest: int
    smallest: int
    code: dict[str, float]
    instructions: dict[str, float]
    stack: dict[str, float]


@cache
def known() -> tuple[str, ...]:
    """Return names of the cores."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def core(name: str) -> Core:
    """Return the coefficients of a core.

    Raises:
        UnknownNameError: listing those that are known.
    """
    if name not in known():
        raise UnknownNameError("core with coefficients", name, known())
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Core)


@cache
def rows(name: str) -> Core | None:
    """Return what trees, rules, boosting and other programs on rows cost on a core; None where all programs are alike.

    Without float instructions a comparison is a call, which whole numbers of the same program do not need: one weight
    of a comparison does not fit networks and trees.
    """
    path = ROWS / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Core) if path.is_file() else None


def weighed(coefficients: dict[str, float], counts: dict[str, float]) -> float:
    """Return the sum of counts by their coefficients, and the constant."""
    return coefficients.get("", 0.0) + sum(coefficients.get(kind, 0.0) * count for kind, count in counts.items())
