"""Packages that proved themselves here, kept beside the store, and their answers to samples of all streams at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.core.errors import CheckFailedError, EdgewrightError, InputError, OutputError
from edgewright.core.files import PRIVATE, os_errors, private_folder, write_atomic
from edgewright.core.package import Package, parse_package
from edgewright.core.prediction.objects import ODD
from edgewright.core.predictor import Answers, Predictor, package_path
from edgewright.core.records.data import Floats
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import Manifest, WindowSpec
from edgewright.device.agent.feed import SampleBatch
from edgewright.device.configuration import PackageEntry

FOLDER = "packages"
CURRENT, PREVIOUS = "current.edge", "previous.edge"
SETTINGS = "settings/"
"""Folder of a package with settings of its devices."""


class VerifiedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that answered its test vectors here.

    Attributes:
        name: in events.
        predictor: ready to answer.
        data: bytes of the package that are to be kept; none where the kept one is in use.
        refused: why another one was refused whose place this one keeps; empty where none was.
    """

    name: str
    predictor: Predictor
    data: bytes = b""
    refused: str = ""


def entry_name(entry: PackageEntry) -> str:
    """Return what a package is called in events, and the folder of its copies."""
    return entry.name or Path(entry.path).name.removesuffix(".edge") or "package"


def prove(entry: PackageEntry, store: Path, keep_old: bool) -> VerifiedPackage:
    """Open a package and run its test vectors; nothing is written.

    Args:
        entry: of the settings, or made of the command line.
        store: folder of the store; copies lie in `packages/NAME` of it.
        keep_old: where it is refused, take the last one that was proven here, which proves itself again.

    Raises:
        CheckFailedError: its test vectors give other answers here, and there is no older one to take.
        InputError: it is missing, damaged or of a newer format, and there is no older one to take.
    """
    name = entry_name(entry)
    folder = store / FOLDER / name
    try:
        data = _bytes(Path(entry.path))
        predictor = _predictor(parse_package(data, entry.path), entry)
    except EdgewrightError as error:
        old = folder / CURRENT
        if not keep_old or not old.exists():
            raise _refused(error, name, old.exists()) from None
        try:
            predictor = _predictor(parse_package(_bytes(old), str(old)), entry)
        except EdgewrightError:
            raise _refused(error, name, there=False) from None
        if any(file.startswith(SETTINGS) for file in predictor.package.files):
            raise _refused(error, name, there=False) from None  # its settings are not those of this start
        return VerifiedPackage(name=name, predictor=predictor, refused=str(error))
    return VerifiedPackage(name=name, predictor=predictor, data=data)


def _refused(error: EdgewrightError, name: str, there: bool) -> EdgewrightError:
    stays = f"The package {name!r}, verified here earlier, stays in use" if there else ""
    if isinstance(error, CheckFailedError):
        text = str(error).rstrip(".")
        return CheckFailedError(f"refused: {text}", stays)
    if not stays or not isinstance(error, InputError):
        return error
    do = f"{error.do.rstrip('.')}. {stays}" if error.do else stays
    return InputError(error.expected, error.got, error.where, do, code=error.code)


def _predictor(package: Package, entry: PackageEntry) -> Predictor:
    return Predictor(package, form=entry.form or None, engine=entry.engine or None)


def _bytes(file_path: Path) -> bytes:
    path = package_path(file_path)
    with os_errors(InputError, "a package file", str(path)):
        return path.read_bytes()


def keep(store: Path, name: str, data: bytes) -> None:
    """Keep a copy of a proven package, and the one before it; a power cut leaves the old or the new one, whole.

    Raises:
        OutputError: the copy cannot be written.
    """
    folder = store / FOLDER / name
    current = folder / CURRENT
    with os_errors(OutputError, "to keep a copy of the package", str(folder)):
        private_folder(folder.parent)
        private_folder(folder)
        before = current.read_bytes() if current.exists() else None
    if before == data:
        return
    if before is not None:
        write_atomic(folder / PREVIOUS, before, PRIVATE)
    write_atomic(current, data, PRIVATE)


class Answered(NamedTuple):
    """A cut with the answers to its samples."""

    cut: SampleBatch
    answers: Answers


class Answerer:
    """One package with its engine.

    Args:
        proven: the package.
        streams: patterns of the streams it answers.
        rate: rows a second; None where nobody knows.
        decision: how its answers become decisions; the package's own when None.
    """

    def __init__(
        self, proven: VerifiedPackage, streams: Sequence[str], rate: float | None, decision: DecisionSpec | None
    ) -> None:
        self.name, self.predictor = proven.name, proven.predictor
        self.streams, self.rate = tuple(streams), rate
        self.decision = decision or self.manifest.decision
        if self.predictor.anomaly and not self.decision.alarms:
            self.decision = msgspec.structs.replace(self.decision, alarms=(ODD,))
        # Answers instead, while what the device learned is used.
        self.learned: Predictor | None = None

    @property
    def manifest(self) -> Manifest:
        """Of the package."""
        return self.predictor.manifest

    @property
    def window(self) -> WindowSpec | None:
        """Of the package; None where each row is answered."""
        return self.manifest.window

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(column.name for column in self.manifest.columns)

    @property
    def fitted(self) -> Callable[[Floats], Floats] | None:
        """Makes a camera's pictures those of a package for pictures; None for any other package."""
        if len(self.manifest.shape) != 3:
            return None
        from edgewright.core.input.pictures import fitting  # noqa: PLC0415 - Pillow is in the base install of no device

        return partial(fitting, manifest=self.manifest)

    def answer(self, cuts: Sequence[SampleBatch]) -> list[Answered]:
        """Return answers of all cuts in one batch.

        Raises:
            InputError: the engine cannot take them.
        """
        if not cuts:
            return []
        samples = cuts[0].samples if len(cuts) == 1 else np.concatenate([cut.samples for cut in cuts])
        answers = (self.learned or self.predictor).predict(samples)
        parts, start = [], 0
        for cut in cuts:
            part = slice(start, start + len(cut.samples))
            start += len(cut.samples)
            parts.append(Answered(cut, answers.part(part)))
        return parts


def matches(patterns: Sequence[str], stream: str) -> bool:
    """Return whether a stream's name fits one of the patterns."""
    return any(pattern == "*" or fnmatchcase(stream, pattern) for pattern in patterns)


def wanted(predictor: Predictor) -> tuple[str, ...]:
    """Return a package's columns as a source is asked for them: with their units, so that other units are refused."""
    names = []
    for column in predictor.manifest.columns:
        bare = "[" not in column.name and "(" not in column.name
        names.append(f"{column.name} [{column.unit}]" if column.unit and bare else column.name)
    return tuple(names)
