"""The .tflite of a whole pipeline or a network, compiled by Vela for an Ethos-U55 with 128 multipliers."""

from __future__ import annotations

from functools import cache

from edgewright.core.errors import InputError
from edgewright.export import vela
from edgewright.export.contract import Subject, Target, need_int8
from edgewright.export.targets import tflite

compiled = cache(vela.compile_vela)


def _files(subject: Subject) -> dict[str, bytes]:
    """Compile what the target tflite writes; a file that Vela refuses is left out where it takes the other one.

    Raises:
        InputError: for floats, which the NPU does not take, or files that Vela refuses.
        MissingExtraError: Vela is not installed.
    """
    reports, refused = _compiled(subject)
    if not reports:
        raise next(iter(refused.values()))
    return {name.removesuffix(".tflite") + f".{vela.DEFAULT}.tflite": report.model for name, report in reports.items()}


def _compiled(subject: Subject) -> tuple[dict[str, vela.VelaReport], dict[str, InputError]]:
    """Return what Vela made of the files, and why it refuses others, by their names."""
    reports: dict[str, vela.VelaReport] = {}
    refused: dict[str, InputError] = {}
    for name, content in _sources(subject).items():
        try:
            reports[name] = compiled(content)
        except InputError as error:
            refused[name] = error
    return reports, refused


def _sources(subject: Subject) -> dict[str, bytes]:
    """Return the files that Vela compiles; raises what `_files` does before it runs Vela."""
    need_int8(subject, "of which an Ethos-U runs nothing")
    vela.need_vela()
    return tflite.TARGET.files(subject)


def _note(subject: Subject) -> str:
    reports, refused = _compiled(subject)
    notes = [f"{name}: {report}" for name, report in reports.items()]
    notes += [f"{name} is not written: {error}" for name, error in refused.items()]
    return f"{'; '.join(notes)}; {vela.NOT_RUN}"


TARGET = Target(
    description="the .tflite files compiled by Vela for an Ethos-U55",
    files=_files,
    check=_sources,
    note=_note,
    forms=("int8",),
    networks=False,
    not_run="no Ethos-U is emulated here; --device cortex-m55 says what Vela places where",
)
