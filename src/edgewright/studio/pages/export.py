"""Files for a device or another tool, written from a run and downloaded."""

from __future__ import annotations

import io
import zipfile

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.export.contract import find_target, target_names
from edgewright.export.subject import read_subject
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.frame import Page, error_text, form_of, page_of, render, run_of, text_of

_ARDUINO = "arduino"


def _page(request: Request, problem: str = "", failed: str = "", *, status: int = 200) -> Response:
    location, folder, trace = run_of(request)
    forms: tuple[str, ...] = ()
    default, size, missing = "", 0, ""
    try:
        path = package_path(folder)
        manifest = read_package(path).manifest
        forms, default, size = tuple(manifest.forms), manifest.default, path.stat().st_size
    except EdgewrightError as error:
        missing = error_text(error)
    return render(
        request, "export.html", status=status, title=f"Export: {trace.name}", location=location, name=trace.name,
        targets={name: target for name in target_names() if set((target := find_target(name)).forms) & set(forms)},
        forms=forms, default=default, size=size, missing=missing, problem=problem, failed=failed,
    )  # fmt: skip


def _write(request: Request, form: FormData) -> Response:
    _, folder, trace = run_of(request)
    name = text_of(form, "to")
    try:
        if name == "package":
            path = package_path(folder)
            return _download(path.name, path.read_bytes())
        subject = read_subject(folder, form=text_of(form, "form"))
        files = find_target("library" if name == _ARDUINO else name).files(subject)
        if not files:
            raise InputError("files", "none", name)
    except EdgewrightError as error:
        return _page(request, error_text(error), name, status=400)
    if name == _ARDUINO:
        return _download(
            f"{subject.word}-arduino.zip",
            _zipped({f"{subject.word}/{file}": content for file, content in files.items()}),
        )
    if len(files) == 1:
        return _download(*next(iter(files.items())))
    return _download(f"{trace.name}-{name}.zip", _zipped(files))


def _zipped(files: dict[str, bytes]) -> bytes:
    """Return the files with fixed dates: the same model gives the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _download(name: str, content: bytes) -> Response:
    """Return bytes under a name of plain letters, which needs no quoting."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    headers = {"content-disposition": f'attachment; filename="{plain}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


PAGE = Page(
    routes=(
        Route("/export/{run:path}", page_of(_page), methods=["GET"]),
        Route("/export/{run:path}", form_of(_write), methods=["POST"]),
    ),
    rank=94,
)
