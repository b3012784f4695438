"""`prove`: a run, package or model through its forms, its stream and what it learns; or a file with a prover."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from edgewright.core.errors import ProofError
from edgewright.core.records.proof import AbsentForm, ProofRecord
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.anomalies import adaptation_proof
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.provers import ProofRequest, prover_of
from edgewright.workflows.proof.stream import stream_proof
from edgewright.workflows.proof.subject import choose_rows, read_subject, with_artefacts

ROWS = 1000


def prove_place(
    location: str,
    *,
    data: str | None = None,
    rows: int = ROWS,
    device: str = "",
    seed: int = 0,
    given: Sequence[str] = (),
    serial: str = "",
) -> ProofRecord:
    """Prove a run, a package or a model, with every model that lies beside it; or a file that works on its own.

    Args:
        location: run folder, `.edge`, `.onnx` or `.tflite` file, or the file of a prover.
        data: rows to prove with: CSV, .npy, or whatever the run's own data may be.
        rows: most rows or windows.
        device: profile whose processor is emulated as one more form; empty for none.
        seed: seed of the choice of rows.
        given: further files and folders whose models are proven as they lie there.
        serial: line to a board that runs the exported library; empty for none.

    Raises:
        InputError: for what cannot be read, rows that do not fit, or a line that cannot be opened.
        CheckFailedError: the board runs another model.
        OutputError: the board does not answer, or answers something else.
    """
    prover = prover_of(Path(location))
    if prover is not None:
        if serial:
            raise ProofError("--serial with a run, a package or a model", serial, location, "Omit --serial")
        if given:
            raise ProofError("--with a run, a package or a model", given[0], location, "Omit --with")
        return prover.prove(ProofRequest(Path(location), data or "", rows, device))
    subject = with_artefacts(read_subject(Path(location), device), Path(location), given)
    subject = replace(subject, serial=serial, path=Path(location))
    chosen = choose_rows(subject, Path(location), data, rows, seed)
    record = _with_targets(prove_subject(subject, location, with_constructed(subject, chosen)), subject)
    stream = stream_proof(subject, location, chosen)
    learning = adaptation_proof(subject, location, chosen)
    record = record if stream is None else _shipped(record, subject, stream)
    parts = tuple(part for part in (stream, learning) if part is not None)
    return joined(record, parts) if parts else record


def _with_targets(record: ProofRecord, subject: Subject) -> ProofRecord:
    """Return the record with each target of `export` of which no form ran among those that are absent."""
    contract = importlib.import_module("edgewright.export.contract")
    known = {target for form in record.forms for target in form.targets}
    known |= {target for form in record.absent for target in form.targets}
    absent = []
    for name in contract.target_names():
        target = contract.find_target(name)
        if name not in known and any(form in subject.graphs for form in target.forms):
            absent.append(AbsentForm(name=f"export --to {name}", reason=target.not_run))
    return msgspec.structs.replace(record, absent=(*record.absent, *absent))


def _shipped(record: ProofRecord, subject: Subject, stream: ProofRecord) -> ProofRecord:
    """Return the record with the forms of a stream that ran with the bytes of files that were read."""
    ran: dict[str, tuple[str, ...]] = {}
    for artefact in subject.of_kind("stream"):
        names = tuple(form.name for form in stream.forms if form.name.startswith(f"{artefact.name} "))
        for name in artefact.shown if names else ():
            ran[name] = (*ran.get(name, ()), *names)
    files = tuple(
        msgspec.structs.replace(file, forms=(*file.forms, *ran[file.name]), not_proven="") if file.name in ran else file
        for file in record.files
    )
    failed = tuple(name for name in record.failed if name not in ran)
    return msgspec.structs.replace(record, files=files, failed=failed, passed=record.breaks is None and not failed)


def joined(record: ProofRecord, parts: Sequence[ProofRecord]) -> ProofRecord:
    """Join a proof with those of its parts: it holds where all hold, and breaks where the first breaks."""
    broken = next((part for part in (record, *parts) if part.breaks is not None), record)
    return msgspec.structs.replace(
        record, passed=record.passed and all(part.passed for part in parts), breaks=broken.breaks,
        broken=broken.broken, odd=broken.odd, parts=(*record.parts, *parts),
        failed=(*record.failed, *(name for part in parts for name in part.failed)),
        seconds=record.seconds + sum(part.seconds for part in parts),
    )  # fmt: skip
