"""The .tflite of a whole pipeline or a network, compiled by Vela for an Ethos-U55 with 128 multipliers."""

from __future__ import annotations

from functools import cache

from edgewright.export import vela
from edgewright.export.contract import Subject, Target, need_int8
from edgewright.export.targets import tflite

compiled = cache(vela.compile_vela)


def _files(subject: Subject) -> dict[str, bytes]:
    """Compile what the target tflite writes.

    Raises:
        InputError: for floats, which the NPU does not take, or a file that Vela refuses.
        MissingExtraError: Vela is not installed.
    """
    made: dict[str, bytes] = {}
    for name, report in _reports(subject).items():
        made[name.removesuffix(".tflite") + f".{vela.DEFAULT}.tflite"] = report.model
    return made


def _reports(subject: Subject) -> dict[str, vela.VelaReport]:
    need_int8(subject, "of which an Ethos-U runs nothing")
    return {name: compiled(content) for name, content in tflite.TARGET.files(subject).items()}


def _note(subject: Subject) -> str:
    reports = "; ".join(f"{name}: {report}" for name, report in _reports(subject).items())
    return f"{reports}; {vela.NOT_RUN}"


TARGET = Target(
    description="the .tflite files compiled by Vela for an Ethos-U55",
    files=_files,
    note=_note,
    forms=("int8",),
    networks=False,
)
