"""What a compression is asked to make, read from the words of the command line."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.schema.errors import InputError

KINDS = ("structured", "magnitude")


@dataclass(frozen=True)
class Pruning:
    """`structured` takes away that share of the multiply-accumulates, `magnitude` sets that share of weights to 0."""

    kind: str
    share: float

    @property
    def name(self) -> str:
        """'structured-50'."""
        return f"{self.kind}-{100 * self.share:g}"


@dataclass(frozen=True)
class Wanted:
    """Forms to make, and the limit they are held to.

    Attributes:
        int8: post-training int8 of every network.
        qat: int8 with quantisation-aware training.
        prune: what is left out; a network for each.
        distil: run folder, package or ONNX file of the teacher; empty for none.
        max_drop: largest loss of accuracy as a fraction; the configuration's own when None.
        epochs: passes of fine-tuning; those of the run when None.
        keep: form to package instead of the one that is chosen; empty for none.
        device: profile whose budget holds; the configuration's own when empty.
    """

    int8: bool = False
    qat: bool = False
    prune: tuple[Pruning, ...] = ()
    distil: str = ""
    max_drop: float | None = None
    epochs: int | None = None
    keep: str = ""
    device: str = ""

    @property
    def trains(self) -> tuple[str, ...]:
        """What is asked for that needs training, as options."""
        asked = [("--qat", self.qat), ("--prune", self.prune), ("--distil", self.distil)]
        return tuple(name for name, given in asked if given)

    @property
    def told(self) -> tuple[str, ...]:
        """As on the command line."""
        made = ["--int8"] if self.int8 else []
        made += ["--qat"] if self.qat else []
        made += [f"--prune {cut.kind}:{cut.share:g}" for cut in self.prune]
        made += ["--distil"] if self.distil else []
        made += [f"--keep {self.keep}"] if self.keep else []
        made += [f"--device {self.device}"] if self.device else []
        made += [] if self.max_drop is None else [f"--max-drop {100 * self.max_drop:g}%"]
        return tuple(made) + (() if self.epochs is None else (f"--epochs {self.epochs}",))


def names(wanted: Wanted) -> tuple[str, ...]:
    """Names of the forms that will be made, in the order of the table, float first."""
    whole = ["float", *(["distilled"] if wanted.distil else [])]
    cuts = [cut.name if base == "float" else f"{base}-{cut.name}" for base in whole for cut in wanted.prune]
    kinds = [kind for kind, given in (("int8", wanted.int8), ("qat", wanted.qat)) if given]
    made: list[str] = []
    for base in (*whole, *cuts):
        made += [base, *(kind if base == "float" else f"{base}-{kind}" for kind in kinds)]
    return tuple(made)


def read_pruning(text: str) -> Pruning:
    """'structured:0.5' or 'magnitude:0.8'.

    Raises:
        InputError: another word, or a share that is not between 0 and 1.
    """
    kind, _, number = text.partition(":")
    if kind not in KINDS:
        raise InputError("structured:SHARE or magnitude:SHARE", repr(text), "--prune", "For example: structured:0.5")
    share = _number(number, "--prune")
    if not 0.0 < share < 1.0:
        raise InputError("a share above 0 and below 1", repr(number), f"--prune {kind}", f"For example: {kind}:0.5")
    return Pruning(kind, share)


def read_drop(text: str) -> float:
    """'0.5%' or 0.005 as a fraction.

    Raises:
        InputError: no number, or none from 0 to 1.
    """
    word = text.strip()
    drop = _number(word.removesuffix("%"), "--max-drop") / (100.0 if word.endswith("%") else 1.0)
    if not 0.0 <= drop <= 1.0:
        raise InputError("a loss of 0% to 100%", repr(text), "--max-drop", "For example: 0.5%")
    return drop


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError("a number", repr(text), where) from None
