"""A model as an app of a browser that works offline: WebAssembly of the generated C, sensors in, answers out."""

from __future__ import annotations

from edgewright.core.errors import ExportError
from edgewright.export.contract import Subject, Target
from edgewright.export.cores import need_zig
from edgewright.export.targets import c99
from edgewright.export.web.module import about_of, app_files, compile_wasm


def _sources(subject: Subject) -> dict[str, str]:
    """Return the C that is compiled, by name."""
    if len(subject.graph.inputs[0].shape) == 3:
        raise ExportError(
            "a model of rows, motion or sound", "one of pictures", "--to web",
            "The app has no camera yet; the C of --to c99 takes a picture's bytes",
        )  # fmt: skip
    need_zig("WebAssembly")
    # The detectors of a package stay away: the note of the target says so.
    alone = c99.TARGET.files(_without_detectors(subject))
    return {name: content.decode() for name, content in alone.items()}


def module_of(subject: Subject) -> bytes:
    """Return the module of the app: the model, and the stream around it.

    Raises:
        InputError: a model that it cannot hold.
        MissingExtraError: the compiler is not installed.
        CheckFailedError: it refuses the code.
    """
    return compile_wasm(_sources(subject), subject.word)


def _files(subject: Subject) -> dict[str, bytes]:
    return app_files(subject, module_of(subject))


def _without_detectors(subject: Subject) -> Subject:
    return Subject(
        subject.name, subject.graph, subject.rounding, subject.columns, read=subject.read, stream=subject.stream,
        model=subject.model, confidence=subject.confidence,
    )  # fmt: skip


def _note(subject: Subject) -> str:
    sensor = about_of(subject)["sensor"]
    takes = {"motion": "the motion sensors of a phone", "microphone": "the microphone"}.get(sensor, "a form or CSV")
    return (
        f"the app takes rows from {takes}; serve the folder over HTTPS, or try it here: "
        "python -m http.server --bind 127.0.0.1 --directory the folder"
    )


TARGET = Target(
    description="an app for browsers and phones that works offline: WebAssembly, sensors in, answers out",
    files=_files, check=_sources, note=_note, networks=False,
)  # fmt: skip
