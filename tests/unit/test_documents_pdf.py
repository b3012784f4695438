"""PDF: pages, headings by outline and by size, heads and feet; scanned, encrypted and broken ones are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.language.documents.document_file import DocumentFile
from edgewright.language.documents.index import Block
from pdf_files import Line, encrypted, pdf_bytes, with_outline

PAGES: list[list[Line]] = [
    [(9, "Drill X200 - page 1"), (20, "Drill X200"), (14, "Power"), (10, "The drill takes two AAA cells. Do not"),
     (10, "mix old and new bat-"), (10, "teries.")],
    [(9, "Drill X200 - page 2"), (14, "2.1 Cleaning"), (10, "Wipe the housing with a dry cloth.")],
    [(9, "Drill X200 - page 3"), (10, "Never use water."), (10, "Warranty . . . . . . . . 4")],
    [(9, "Drill X200 - page 4"), (14, "Warranty"), (10, "The warranty lasts 24 months.")],
]  # fmt: skip


def write(folder: Path, pages: list[list[Line]], pictures: bool = False) -> Path:
    path = folder / "drill.pdf"
    path.write_bytes(pdf_bytes(pages, pictures))
    return path


@pytest.mark.slow
def test_headings_by_size_pages_and_no_heads(tmp_path: Path) -> None:
    document = DocumentFile(write(tmp_path, PAGES))
    assert list(document.blocks()) == [
        Block(("Drill X200", "Power"), 1, "The drill takes two AAA cells. Do not mix old and new batteries."),
        Block(("Drill X200", "2.1 Cleaning"), 2, "Wipe the housing with a dry cloth."),
        Block(("Drill X200", "2.1 Cleaning"), 3, "Never use water."),
        Block(("Drill X200", "Warranty"), 4, "The warranty lasts 24 months."),
    ]
    assert document.document().pages == 4


@pytest.mark.slow
def test_an_outline_counts_for_more_than_sizes(tmp_path: Path) -> None:
    path = with_outline(write(tmp_path, PAGES), tmp_path / "outlined.pdf", [("Cleaning", 1)])
    blocks = list(DocumentFile(path).blocks())
    assert [block.path for block in blocks if block.page > 1] == [("Cleaning",)] * 3
    assert blocks[0].path == ()


@pytest.mark.slow
def test_a_scan_says_so_and_pages_without_text_are_noted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"only images of pages.*OCR"):
        list(DocumentFile(write(tmp_path, [[], []], pictures=True)).blocks())
    document = DocumentFile(write(tmp_path, [PAGES[0], []]))
    assert list(document.blocks())
    assert "1 of 2 pages have no text" in document.document().notes[0]


@pytest.mark.slow
def test_an_encrypted_one_says_so_and_an_empty_password_opens(tmp_path: Path) -> None:
    plain = write(tmp_path, PAGES)
    with pytest.raises(InputError, match="encrypted"):
        list(DocumentFile(encrypted(plain, tmp_path / "closed.pdf", "secret")).blocks())
    free = encrypted(plain, tmp_path / "open.pdf", "")
    assert list(DocumentFile(free).blocks()) == list(DocumentFile(plain).blocks())


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"%PDF-1.4", b"no pdf at all" * 50, pdf_bytes(PAGES)[:600]])
def test_a_broken_one_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(content)
    with pytest.raises(InputError, match="a PDF"):
        list(DocumentFile(path).blocks())


@pytest.mark.slow
def test_one_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.language.documents.readers.SECONDS", 0.0)
    with pytest.raises(InputError, match="is read within"):
        list(DocumentFile(write(tmp_path, PAGES)).blocks())
