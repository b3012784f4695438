"""Readers of documents: headings, paragraphs, lists, tables, encodings; what is no document is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.errors import DocumentIndexError, DocumentUnreadableError, MissingFileError
from edgewright.language.documents.document_file import DocumentFile, readers
from edgewright.language.documents.index import LONGEST, Block, clean, cut


def blocks(folder: Path, name: str, content: str | bytes) -> list[Block]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(DocumentFile(path).blocks())


def test_every_reader_has_a_kind_and_suffixes() -> None:
    known = readers()
    assert {".md", ".html", ".txt", ".pdf"} <= set(known)
    assert all(suffix == suffix.lower() and suffix.startswith(".") and reader.kind for suffix, reader in known.items())


def test_markdown_without_its_signs(tmp_path: Path) -> None:
    text = (
        "---\ntitle: x\n---\n# One **bold** title #\n\nSee [the page](http://a.b/c) and `code`.\nIt goes on.\n\n"
        "## Two\n- first _item_\n- second\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n# no heading\n```\n"
        "Under\n-----\nend\n\n> # Quoted\n> said &amp; done in A > B\n"
    )
    assert blocks(tmp_path, "a.md", text) == [
        Block(("One bold title",), 0, "See the page and code. It goes on."),
        Block(("One bold title", "Two"), 0, "first item"),
        Block(("One bold title", "Two"), 0, "second"),
        Block(("One bold title", "Two"), 0, "a; b"),
        Block(("One bold title", "Two"), 0, "1; 2"),
        Block(("One bold title", "Two"), 0, "# no heading"),
        Block(("One bold title", "Under"), 0, "end"),
        Block(("Quoted",), 0, "said & done in A > B"),
    ]


def test_html_as_it_is_seen(tmp_path: Path) -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style><script>if (a<b) {}</script></head><body><nav>Menu</nav>"
        "<h1>One</h1><p>First<br>line &eacute; <b>bold</b></p><h2>Two</h2><ul><li>a<li>b</ul>"
        "<table><tr><th>part</th><td>steel</td></tr></table><p>open <img alt='a cell'> end"
    )
    assert blocks(tmp_path, "a.html", page) == [
        Block(("One",), 0, "First"),
        Block(("One",), 0, "line é bold"),
        Block(("One", "Two"), 0, "a"),
        Block(("One", "Two"), 0, "b"),
        Block(("One", "Two"), 0, "part; steel"),
        Block(("One", "Two"), 0, "open a cell end"),
    ]


def test_html_headings_that_nobody_closed_end_where_text_begins(tmp_path: Path) -> None:
    page = "<h1>A<h2><div>B</div><p>unclosed <b>bold</b><p>A fuse.<h2><p>C</p></h2><ul><li>d</ul>"
    assert blocks(tmp_path, "a.html", page) == [
        Block(("A", "B"), 0, "unclosed bold"),
        Block(("A", "B"), 0, "A fuse."),
        Block(("A", "C"), 0, "d"),
    ]


def test_html_in_the_encoding_it_names(tmp_path: Path) -> None:
    page = '<meta charset="iso-8859-1"><p>Gr\u00fc\u00dfe</p>'.encode("latin-1")
    assert blocks(tmp_path, "a.html", page) == [Block((), 0, "Gr\u00fc\u00dfe")]
    odd = b'<meta charset="hex"><p>text</p>'
    assert blocks(tmp_path, "b.html", odd) == [Block((), 0, "text")]


def test_text_with_headings_on_their_own_lines(tmp_path: Path) -> None:
    text = (
        "Title\n=====\n\nA paragraph\nof two lines.\n\n1.2 Batteries and cells\n\n- one\n- two\n  goes on\n\n"
        "SAFETY NOTES\n\nBeware."
    )
    assert blocks(tmp_path, "a.txt", text) == [
        Block(("Title",), 0, "A paragraph of two lines."),
        Block(("Title", "1.2 Batteries and cells"), 0, "- one"),
        Block(("Title", "1.2 Batteries and cells"), 0, "- two goes on"),
        Block(("SAFETY NOTES",), 0, "Beware."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_text_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Die Größe – 5 €.".encode(encoding))
    document = DocumentFile(path)
    assert [block.text for block in document.blocks()] == ["Die Größe – 5 €."]
    assert bool(document.document().notes) == (encoding == "cp1252")


def test_what_is_no_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        DocumentFile(tmp_path / "a.txt")
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(DocumentUnreadableError, match=r"\.docx"):
        DocumentFile(tmp_path / "a.docx")
    with pytest.raises(DocumentIndexError, match="another format"):
        blocks(tmp_path, "b.txt", bytes(range(256)) * 10)
    (tmp_path / "c.txt").mkdir()
    with pytest.raises(MissingFileError, match="a folder"):
        DocumentFile(tmp_path / "c.txt")


def test_passages_do_not_cross_headings_and_are_cut_at_sentences() -> None:
    sentence = "This is a sentence of some words that fills the page. "
    passages = list(cut([Block(("a",), 1, sentence * 60), Block(("a",), 2, "Next page."), Block(("b",), 2, "Other.")]))
    assert [passage.page for passage in passages[-2:]] == [2, 2]
    assert {len(passage.path) for passage in passages} == {1}
    for passage in passages:
        assert len(passage.text) <= LONGEST
        assert all(passage.text[begin:end].strip() for begin, end in passage.sentences)
        assert passage.text[passage.sentences[-1][0] :].endswith(".")
    assert sum(len(passage.sentences) for passage in passages) == 62


def test_control_characters_and_lone_surrogates_go() -> None:
    assert clean("a\x00b\u200bc\ud800  d\te") == "a b c d e"
