"""The package: the one file a device takes. A ZIP any tool opens, sealed so that no byte of it can change unseen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import decode_versioned, from_npy, pack, read_file, to_npy, unpack
from edgewright.core.errors import PackageDamagedError
from edgewright.core.files import write_atomic
from edgewright.core.prediction.executor import check_decision
from edgewright.core.prediction.objects import MAPPED, checked_objects
from edgewright.core.records.package import PACKAGE_VERSION, FileEntry, IntervalSpec, Manifest

F = TypeVar("F", bound=np.floating)


def around(spec: IntervalSpec, predictions: NDArray[F]) -> tuple[NDArray[F], NDArray[F]]:
    """Return both ends of the interval of each prediction, in the precision of the predictions; NaN gives NaN.

    In float32 this is what NAME_interval of generated C computes, to the bit.

    Args:
        spec: of the package.
        predictions: shape (n,).
    """
    edges, low, high = (np.asarray(values, predictions.dtype) for values in (spec.edges, spec.low, spec.high))
    part = np.searchsorted(edges, predictions)
    return predictions + low[part], predictions + high[part]


def check_interval(spec: IntervalSpec, where: str) -> None:
    """Refuse an interval that cannot be read.

    Raises:
        InputError: a level outside 0 to 1, edges out of order, or ends that are missing, not finite or crossed.
    """
    if not 0 < spec.level < 1:
        raise PackageDamagedError("a level between 0 and 1", f"{spec.level:g}", f"{where}.level")
    parts = len(spec.edges) + 1
    if len(spec.low) != parts or len(spec.high) != parts:
        raise PackageDamagedError(f"both ends of {parts} parts", f"{len(spec.low)} and {len(spec.high)}", where)
    if not all(math.isfinite(value) for value in (*spec.edges, *spec.low, *spec.high)):
        raise PackageDamagedError("finite numbers", "others", where)
    if list(spec.edges) != sorted(set(spec.edges)) or any(a > b for a, b in zip(spec.low, spec.high, strict=True)):
        raise PackageDamagedError("edges that rise, and lower ends below upper ones", "others", where)


MANIFEST = "manifest.json"
INPUT_VECTORS = "vectors/input.npy"
_LARGEST_SAMPLE = 1 << 24
_DAMAGED = "Fetch the package again: it was damaged or changed after it was made"


@dataclass(frozen=True)
class Package:
    """A package that was read and checked.

    Attributes:
        manifest: what it is.
        files: its files by name, without the manifest.
        sha256: SHA-256 of the whole package file.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str

    @property
    def learns(self) -> bool:
        """Whether its devices may learn."""
        return any(not isinstance(spec, msgspec.UnsetType) for spec in (self.manifest.adapt, self.manifest.affine))

    def model(self, form: str) -> bytes:
        """Return the ONNX bytes of a form ('float', 'int8').

        Raises:
            InputError: naming the forms there are.
        """
        if form not in self.manifest.forms:
            known = ", ".join(self.manifest.forms)
            raise PackageDamagedError(f"one of the forms {known}", repr(form), f"package {self.manifest.name}")
        return self.files[self.manifest.forms[form]]

    def vectors(self) -> NDArray[Any]:
        """Return the test vectors, shape (n, *sample), float32."""
        return from_npy(self.files[INPUT_VECTORS], INPUT_VECTORS)

    def expected(self, form: str) -> NDArray[Any]:
        """Return what a form answers to them: probabilities (n, classes), or predictions (n, 1)."""
        name = vector_name(form)
        return from_npy(self.files[name], name)


def vector_name(form: str) -> str:
    """Return the file that holds what a form answers to the test vectors."""
    return f"vectors/{form}.npy"


def model_file(form: str) -> str:
    """Return the name of a form's ONNX file, in a package as in a run folder."""
    return "model.onnx" if form == "float" else f"model.{form}.onnx"


def vector_files(inputs: NDArray[Any], expected: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the files of the test vectors, as `write_package` takes them.

    Args:
        inputs: shape (n, *sample), float32.
        expected: by form, probabilities (n, classes) or predictions (n, 1).
    """
    return {INPUT_VECTORS: to_npy(inputs), **{vector_name(form): to_npy(array) for form, array in expected.items()}}


def write_package(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write a package; the same manifest and files give the same bytes on the same platform.

    Args:
        path: path of the file, `NAME.edge`.
        manifest: its `files` are filled in here.
        files: the models that `manifest.forms` names, the test vectors (`vector_files`), and any others.

    Returns:
        SHA-256 of the file, in hexadecimal.

    Raises:
        InputError: when the package would be refused on reading.
        OutputError: when the file cannot be written.
    """
    data = package_bytes(manifest, files)
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def package_bytes(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes `write_package` writes, read back and checked."""
    entries = tuple(
        FileEntry(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    )
    whole = msgspec.structs.replace(manifest, files=entries)
    text = msgspec.json.format(msgspec.json.encode(whole, order="deterministic"), indent=1) + b"\n"
    data = pack({**files, MANIFEST: text})
    read = parse_package(data, f"package {manifest.name}")
    if read.manifest != whole:
        raise PackageDamagedError("a manifest of finite numbers", "one that changes when written", manifest.name)
    return data


def read_package(path: Path) -> Package:
    """Read and check a package.

    Raises:
        InputError: when it is missing, damaged, altered, too large, or of a newer format.
    """
    return parse_package(read_file(path, "a package file", absent="Check the path"), str(path))


def parse_package(data: bytes, where: str) -> Package:
    """Read a package from bytes; `where` names it in messages."""
    files = unpack(data, where)
    text = files.pop(MANIFEST, None)
    if text is None:
        raise PackageDamagedError(f"a file {MANIFEST} in the package", "none", where, _DAMAGED)
    manifest = decode_versioned(
        text, Manifest, PACKAGE_VERSION, "package", "a manifest of a package", f"{where}, {MANIFEST}", _DAMAGED
    )
    _compare(manifest, files, where)
    return Package(manifest, files, hashlib.sha256(data).hexdigest())


def _check_sample(manifest: Manifest, where: str) -> None:
    """Compare what a sample and an answer are said to be: the seal says nothing of who made the package."""
    shape, columns = manifest.shape, manifest.columns
    if not shape or min(shape) < 1 or math.prod(shape) > _LARGEST_SAMPLE:
        raise PackageDamagedError("a sample of sensible size", f"shape {shape}", f"{where}, {MANIFEST}")
    if any(c.minimum is not None or c.maximum is not None for c in columns) and len(columns) != shape[0]:
        raise PackageDamagedError(f"a range for each of {shape[0]} columns", str(len(columns)), f"{where}, {MANIFEST}")
    if not 0 <= manifest.thresholds.get("confidence", 0.0) <= 1:
        text = f"{manifest.thresholds['confidence']:g}"
        raise PackageDamagedError("a threshold of confidence from 0 to 1", text, f"{where}, {MANIFEST}")
    if manifest.task not in ("classification", "regression", *MAPPED):
        known = "classification, regression, detection or anomaly"
        raise PackageDamagedError(known, repr(manifest.task), f"{where}, {MANIFEST}")
    if manifest.task in MAPPED:
        spec = manifest.objects
        if isinstance(spec, msgspec.UnsetType) or (spec.height, spec.width) != manifest.shape[1:]:
            raise PackageDamagedError(
                "how the map of objects is read, for pictures of this size", "another", where, _DAMAGED
            )
        checked_objects(spec, f"{where}, {MANIFEST}")
    if not isinstance(manifest.interval, msgspec.UnsetType):
        if manifest.task != "regression":
            raise PackageDamagedError("an interval of amounts", f"one of {manifest.task}", f"{where}, {MANIFEST}")
        check_interval(manifest.interval, f"{where}, {MANIFEST}, interval")
    check_decision(manifest.decision, manifest.labels, f"{where}, {MANIFEST}, decision")


def _compare(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    listed = {entry.name: entry for entry in manifest.files}
    if len(listed) != len(manifest.files):
        raise PackageDamagedError("every file listed once", "one listed twice", where, _DAMAGED)
    for name in sorted(listed.keys() ^ files.keys()):
        got = "a file that is not listed" if name in files else "a listed file that is missing"
        raise PackageDamagedError("exactly the files of the manifest", f"{got}: {name}", where, _DAMAGED)
    for name, entry in listed.items():
        digest = hashlib.sha256(files[name]).hexdigest()
        if len(files[name]) != entry.bytes or digest != entry.sha256:
            raise PackageDamagedError(
                f"SHA-256 {entry.sha256[:12]}...", f"{digest[:12]}...", f"{where}, {name}", _DAMAGED
            )
    needed = {*manifest.forms.values(), INPUT_VECTORS, *(vector_name(form) for form in manifest.forms)}
    for name in sorted(needed - files.keys()):
        raise PackageDamagedError(f"the file {name}", "none", where, _DAMAGED)
    _check_sample(manifest, where)
    if manifest.default not in manifest.forms or not manifest.forms.keys() <= manifest.tolerance.keys():
        raise PackageDamagedError(
            "a default form and a tolerance for every form", repr(manifest.default), where, _DAMAGED
        )
