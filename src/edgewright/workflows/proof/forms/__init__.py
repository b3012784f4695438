"""Forms of a pipeline that can be proven: every file offers `FORMS`, and what cannot exist here says why."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core import catalogue
from edgewright.core.input.samples import Ranges
from edgewright.core.package import Package
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.core.records.package import Manifest
from edgewright.core.records.proof import AbsentForm, FileRecord, Numbers
from edgewright.proof.tolerance import Form, Samples, Stages
from edgewright.workflows.proof.artifacts import Artefact, Kind

NUMBERS: tuple[Numbers, ...] = ("float", "int8")
"""Kinds of forms, float first."""
Run = Callable[[Samples, Samples], Stages]
"""(raw samples, values at the boundary) -> what a form gives at its stages."""


@dataclass(frozen=True)
class Subject:
    """What is proven.

    Attributes:
        name: name of the pipeline or model.
        pipeline: fitted, with its model last; None for a package or a model alone.
        graphs: 'float' and 'int8' -> graph, those that there are.
        models: the same as bytes of ONNX, as they would be shipped.
        network: the integers of the int8 graph; None where it has none.
        package: whose columns, tolerances and test vectors hold; None without one.
        ranges: declared for the columns.
        device: profile for which code is run under emulation; empty for none.
        original: bytes of a model from elsewhere, as it came; empty for our own.
        absent: forms that cannot be, and why, found so far.
        sources: 'float' and 'int8' -> name of the file the graph was read from.
        artefacts: further models as they lie on the disk.
        files: all that was read.
        serial: line to a board that runs the exported code; empty for none.
        path: that was read.
    """

    name: str
    pipeline: Any
    graphs: dict[str, Graph]
    models: dict[str, bytes]
    network: IntegerNetwork | None
    package: Package | None
    ranges: Ranges
    device: str = ""
    original: bytes = b""
    absent: list[AbsentForm] = field(default_factory=list)
    sources: Mapping[str, str] = field(default_factory=dict)
    artefacts: tuple[Artefact, ...] = ()
    files: tuple[FileRecord, ...] = ()
    serial: str = ""
    path: Path | None = None

    def missing(self, name: str, reason: str, *, needed: bool = False) -> None:
        """Note a form that cannot exist here; the proof fails for one that the user asked for."""
        self.absent.append(AbsentForm(name=name, reason=reason, needed=needed))

    def source(self, numbers: Numbers) -> tuple[str, ...]:
        """Return the file its graph of such numbers was read from; none for a graph that was made."""
        return tuple(name for of, name in self.sources.items() if of == numbers)

    def of_kind(self, kind: Kind) -> list[Artefact]:
        """Artefacts that are run alike."""
        return [artefact for artefact in self.artefacts if artefact.kind == kind]

    @property
    def manifest(self) -> Manifest | None:
        """Of the package."""
        return None if self.package is None else self.package.manifest

    @property
    def confidence(self) -> float:
        """Below it an answer is unsure; 0 where nobody says so."""
        return 0.0 if self.manifest is None else self.manifest.thresholds.get("confidence", 0.0)

    @property
    def reference(self) -> Graph:
        """The graph whose preprocessing is taken for networks that begin at the boundary: float where there is one."""
        return self.graphs.get("float") or self.graphs["int8"]


@dataclass(frozen=True)
class Forms:
    """The one object `FORMS` of a form's file.

    Attributes:
        rank: the lower, the earlier it stands; pairs are reported in this order.
        make: the forms there are of a subject; what cannot be goes to `subject.missing`.
        targets: of `export` whose files these forms run; a form that names others keeps them.
    """

    rank: int
    make: Callable[[Subject], Iterable[Form]]
    targets: tuple[str, ...] = ()

    def forms(self, subject: Subject) -> list[Form]:
        """Return the forms there are, with their targets; those that cannot be, too, say theirs."""
        before = len(subject.absent)
        forms = [replace(form, targets=form.targets or self.targets) for form in self.make(subject)]
        subject.absent[before:] = [
            msgspec.structs.replace(form, targets=form.targets or self.targets) for form in subject.absent[before:]
        ]
        return forms


def forms_of(subject: Subject) -> list[Form]:
    """Every form that exists here, float before int8, the reference of each first."""
    makers: list[Forms] = [
        importlib.import_module(f"{__name__}.{name}").FORMS for name in catalogue.listing(__name__, "FORMS")
    ]
    forms = [form for maker in sorted(makers, key=lambda m: m.rank) for form in maker.forms(subject)]
    return sorted(forms, key=lambda form: form.numbers != "float")
