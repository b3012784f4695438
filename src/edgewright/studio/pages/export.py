"""Files for a device or another tool, written from a run and downloaded."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgewright.core.errors import EdgewrightError, StudioRequestError
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.export.contract import Subject, find_target, package_subject, read_subject, target_names
from edgewright.pipeline.cost import form_footprint
from edgewright.profiles.catalogue import load_profile
from edgewright.studio.frame import Page, error_text, render, run_of, text_of
from edgewright.studio.local_server import FormData, Request, Response


@dataclass(frozen=True)
class _Offer:
    """A target of `edgewright export`.

    Attributes:
        description: what it writes.
        sizes: bytes of the download by the form of the model; None where a compiler has to run for it. Empty where the
            target cannot be written.
        reason: why it cannot be written.
    """

    description: str
    sizes: dict[str, int | None]
    reason: str = ""


@lru_cache(8)
def _offers(path: Path, changed: int, profile: str) -> tuple[dict[str, _Offer], dict[str, float]]:
    """Return what a package can become by target, and the flash of its forms on a device.

    Args:
        path: of the package.
        changed: when it was written, in nanoseconds.
        profile: of the device; empty for none.
    """
    package = read_package(path)
    forms = sorted(package.manifest.forms, key=lambda form: form != package.manifest.default)
    subjects = {form: package_subject(package, form=form) for form in forms}
    offers, flash = {}, {}
    for name in target_names():
        target, reasons = find_target(name), []
        sizes: dict[str, int | None] = {}
        for form, subject in subjects.items():
            try:
                if target.check is not None:
                    target.check(subject)
                    sizes[form] = None
                else:
                    sizes[form] = len(_written(subject, name)[1])
            except EdgewrightError as error:
                reasons.append(error_text(error))
        offers[name] = _Offer(target.description, sizes, "" if sizes else reasons[0])
    try:
        device = load_profile(profile) if profile else None
        flash = {form: form_footprint(device, s.graph).flash.value for form, s in subjects.items() if device}
    except EdgewrightError:
        flash = {}
    return offers, flash


def _page(request: Request, problem: str = "", failed: str = "", *, status: int = 200) -> Response:
    location, folder, trace = run_of(request)
    profile = "" if trace.device is None else trace.device.profile
    offers: dict[str, _Offer] = {}
    flash: dict[str, float] = {}
    size, missing = 0, ""
    try:
        path = package_path(folder)
        size = path.stat().st_size
        offers, flash = _offers(path, path.stat().st_mtime_ns, profile)
    except EdgewrightError as error:
        missing = error_text(error)
    return render(
        request, "export.html", status=status, title=f"Export: {trace.name}", location=location, name=trace.name,
        offers=offers, flash=flash, profile=profile, size=size, missing=missing, problem=problem, failed=failed,
    )  # fmt: skip


def _write(request: Request, form: FormData) -> Response:
    _, folder, _ = run_of(request)
    name = text_of(form, "to")
    try:
        if name == "package":
            path = package_path(folder)
            return _download(path.name, path.read_bytes())
        return _download(*_written(read_subject(folder, form=text_of(form, "form")), name))
    except EdgewrightError as error:
        return _page(request, error_text(error), name, status=400)


def _written(subject: Subject, name: str) -> tuple[str, bytes]:
    """Return what a target writes as one file: several as a ZIP with a folder, which the Arduino IDE adds as it is.

    The files have fixed dates: the same model gives the same bytes.
    """
    files = find_target(name).files(subject)
    if not files:
        raise StudioRequestError("files", "none", name)
    if len(files) == 1:
        return next(iter(files.items()))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{subject.word}/{file}", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return f"{subject.word}-{name}.zip", stream.getvalue()


def _download(name: str, content: bytes) -> Response:
    """Return bytes under a name of plain letters, which needs no quoting."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    headers = {"content-disposition": f'attachment; filename="{plain}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


PAGE = Page({"/export/{run:path}": (_page, _write)}, rank=94, role="train")
