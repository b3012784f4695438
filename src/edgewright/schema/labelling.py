"""Labels that a machine suggested and people gave: what goes along with exported data into training."""

from __future__ import annotations

from typing import Literal

import msgspec

LABELS_VERSION = 1
LABEL_FROM = "label_from"
"""Column of exported data that says who a label is from: 'human/NAME' or 'machine/SUGGESTER'; empty without a label."""
MACHINE, HUMAN = "machine/", "human/"

State = Literal["none", "open", "stale", "done"]


class ClassAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one class as the machine gave them.

    Attributes:
        label: of the machine.
        population: machine labels of it; `answered` of these were looked at by people, `errors` were wrong.
        low, high: Clopper-Pearson interval of the error rate, as a fraction.
    """

    label: str
    population: int
    answered: int
    errors: int
    low: float
    high: float


class LabelAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What a random sample says of all machine labels of a project.

    Attributes:
        state: 'none' was drawn, 'open' lacks answers, 'stale' is of other labels than there are now, 'done'.
        population: machine labels that the sample was drawn from.
        sampled, answered, errors: of the simple random sample.
        low, high: Clopper-Pearson interval of the error rate, as a fraction, two-sided at `level`.
        level: 0.95 at the first look, closer to 1 at each further one, so that all looks together keep 0.95.
        looks: samples that were drawn in this project so far.
        classes: by the label of the machine.
        when: time of the last draw in UTC, ISO 8601.
    """

    state: State = "none"
    population: int = 0
    sampled: int = msgspec.field(default=0, name="drawn")
    answered: int = 0
    errors: int = 0
    low: float = 0.0
    high: float = 1.0
    level: float = 0.95
    looks: int = 0
    classes: tuple[ClassAudit, ...] = ()
    when: str = ""


class LabelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME.labels.json` beside exported data.

    Attributes:
        project: name of the label project.
        file: name of the data file; sha256: of its bytes.
        sources: labels by whom they are from, such as {'machine/neighbours': 900, 'human/ann': 100}.
        audit: of the machine labels.
        created: time in UTC, ISO 8601.
    """

    version: int = LABELS_VERSION
    project: str
    file: str
    sha256: str
    sources: dict[str, int]
    audit: LabelAudit = LabelAudit()
    created: str = msgspec.field(default="", name="made")

    @property
    def machine(self) -> int:
        """Labels that nobody has looked at."""
        return sum(count for name, count in self.sources.items() if name.startswith(MACHINE))

    @property
    def human(self) -> int:
        """Labels that people gave or accepted."""
        return sum(count for name, count in self.sources.items() if name.startswith(HUMAN))
