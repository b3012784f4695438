"""PDF files written by hand, so that a test says all that is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pypdf import PdfReader, PdfWriter

Line = tuple[float, str]
"""Size in points, and text."""


def pdf_bytes(pages: Sequence[Sequence[Line]], pictures: bool = False) -> bytes:
    """Return a PDF of lines of text, from top to bottom; with a picture on each page where wanted."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    picture = b"\x00\x80\xff"
    objects.append(
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceRGB /BitsPerComponent 8 /Length 3 >>"
        b"\nstream\n" + picture + b"\nendstream"
    )
    for number, lines in enumerate(pages):
        content = _content(lines) + (b"\nq 400 0 0 400 50 50 cm /I1 Do Q" if pictures else b"")
        resources = "<< /Font << /F1 3 0 R >>" + (" /XObject << /I1 4 0 R >>" if pictures else "") + " >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources {resources}"
            f" /Contents {6 + 2 * number} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream")
    document = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(document))
        document += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(document)
    document += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    document += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in places)
    return document + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()


def _content(lines: Sequence[Line]) -> bytes:
    parts, height = [], 800.0
    for size, text in lines:
        height -= size * 1.4
        data = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")
        parts.append(f"BT /F1 {size} Tf 1 0 0 1 50 {height:.1f} Tm (".encode() + data + b") Tj ET")
    return b"\n".join(parts)


def with_outline(source: Path, target: Path, titles: Sequence[tuple[str, int]]) -> Path:
    """Return a copy with an outline of (title, page counted from 0)."""
    writer = PdfWriter(clone_from=PdfReader(source))
    for title, page in titles:
        writer.add_outline_item(title=title, page_number=page)
    writer.write(target)
    return target


def encrypted(source: Path, target: Path, password: str) -> Path:
    """Return a copy that a password opens, by the old cipher that needs no further library."""
    writer = PdfWriter(clone_from=PdfReader(source))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")  # noqa: S106 - of a test
    writer.write(target)
    return target
