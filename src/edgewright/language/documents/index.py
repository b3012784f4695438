"""Writing an index: one SQLite file, whole or not there."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from edgewright.core.files import sync
from edgewright.language.documents.passages import Block, cut
from edgewright.nlp.documents.index_file import BLOCK, TABLES, Meta, packed, quantised
from edgewright.nlp.documents.words import stems
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.documents import INDEX_FORMAT, INDEX_VERSION, Document, Indexed, Passage
from edgewright.schema.errors import InputError, OutputError

_ENCODED = 32


class Source(Protocol):
    """A document: its blocks, and, once they were taken, what it was."""

    def blocks(self) -> Iterable[Block]:
        """Return blocks in order."""
        ...

    def document(self) -> Document:
        """Of which file."""
        ...


def write_index(
    path: Path,
    documents: Iterable[Source],
    encoder: Encodes | None = None,
    media: str = "",
) -> Indexed:
    """Write an index of documents.

    Args:
        path: path of the file; an index that is there is replaced when the new one is whole.
        documents: read one after the other: memory does not grow with their length.
        encoder: makes a vector of each sentence and of each section's headings; None: words alone.
        media: 'picture' or 'sound' where passages stand for such files.

    Raises:
        InputError: documents without a single word, or a file at `path` that is no index.
        OutputError: it cannot be written; nothing is left behind.
    """
    _refuse_foreign(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent) if path.parent.is_dir() else (-1, "")
    if not name:
        raise InputError("a folder to write in", "no such folder", str(path.parent))
    os.close(handle)
    temporary = Path(name)
    try:
        contents = _write(temporary, documents, encoder, media)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        sync(path.parent)
    except (sqlite3.OperationalError, OSError) as error:
        if "no such" in str(error):
            got = f"SQLite {sqlite3.sqlite_version}: {error}"
            raise InputError("an SQLite with FTS5 and its trigrams (3.34 or newer)", got) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError("to write an index", reason, str(path), "Free some space, or choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)
    return contents


def _refuse_foreign(path: Path) -> None:
    """Refuse to overwrite a file that is no index."""
    if not path.exists():
        return
    got = "a folder"
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(16)
        if head in (b"", b"SQLite format 3\x00"):
            return
        got = "another file"
    raise InputError("an index or an unused name", got, str(path), "Choose another --out")


def _write(path: Path, documents: Iterable[Source], encoder: Encodes | None, media: str) -> Indexed:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # The file is thrown away when anything goes wrong, so it needs no journal.
        for sql in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA page_size=4096", "BEGIN", *TABLES):
            connection.execute(sql)
        writer = _Writer(connection, encoder)
        for document in documents:
            writer.add(document)
        contents = writer.finish(media)
        connection.execute("COMMIT")
        return contents
    finally:
        connection.close()


class _Writer:
    """Adds one passage after the other and counts."""

    def __init__(self, connection: sqlite3.Connection, encoder: Encodes | None) -> None:
        self._connection, self._encoder = connection, encoder
        self._documents: list[Document] = []
        self._numbers: dict[str, int] = {}
        self._sentence_counts: Counter[int] = Counter()
        self._passage_counts: Counter[int] = Counter()
        self._sections = self._passages = self._sentences = self._words = self._titles = 0
        self._texts = {
            "sentence": _Texts(connection, "sentence", encoder),
            "section": _Texts(connection, "section", encoder),
        }

    def add(self, document: Source) -> None:
        """Add a document."""
        number = len(self._documents)
        section, last = -1, None
        title: list[int] = []
        before = self._passages
        seen: dict[tuple[str, ...], tuple[int, list[int]]] = {}
        for passage in cut(document.blocks()):
            if passage.path != last:
                last = passage.path
                if last not in seen:
                    seen[last] = self._section(number, last)
                section, title = seen[last]
            self._passage(section, title, passage)
        record = document.document()
        if self._passages == before:
            record = msgspec.structs.replace(record, notes=(*record.notes, "it has no text"))
        self._documents.append(record)

    def finish(self, media: str) -> Indexed:
        """Write what is known only at the end.

        Raises:
            InputError: there was no word.
        """
        if not self._words:
            names = ", ".join(d.name for d in self._documents) or "none"
            raise InputError("documents with words", "none at all", names,
                             "Run text recognition (OCR) on scanned documents first")  # fmt: skip
        for texts in self._texts.values():
            texts.flush()
        rows = ((number, term, self._sentence_counts[number], self._passage_counts[number])
                for term, number in self._numbers.items())  # fmt: skip
        self._connection.executemany("INSERT INTO terms VALUES (?, ?, ?, ?)", rows)
        self._connection.execute(
            "INSERT INTO spellings (rowid, term) SELECT id, term FROM terms WHERE length(term) > 2"
        )
        for table in ("words", "spellings"):
            self._connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608 - our own names
        encoder = self._encoder
        contents = Indexed(documents=tuple(self._documents), passages=self._passages, sentences=self._sentences,
                       encoder=encoder.name if encoder else "",
                       dimensions=encoder.dimensions if encoder else 0, media=media,
                       encoder_sha256=getattr(encoder, "sha256", "") or msgspec.UNSET)  # fmt: skip
        meta = Meta(contents=contents, sections=self._sections, sentence_words=self._words / max(self._sentences, 1),
                    passage_words=(self._words + self._titles) / max(self._passages, 1))  # fmt: skip
        record = {"format": INDEX_FORMAT, "version": str(INDEX_VERSION), "figures": msgspec.json.encode(meta).decode()}
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", record.items())
        self._connection.executemany(
            "INSERT INTO documents VALUES (?, ?)",
            ((n, msgspec.json.encode(d).decode()) for n, d in enumerate(self._documents)),
        )
        return contents

    def _section(self, document: int, path: tuple[str, ...]) -> tuple[int, list[int]]:
        number = self._sections
        self._sections += 1
        title = self._numbered(" ".join(path))
        self._connection.execute(
            "INSERT INTO sections VALUES (?, ?, ?, ?)",
            (number, document, msgspec.json.encode(path).decode(), packed(np.array(title, np.int32))),
        )
        self._texts["section"].add(" - ".join(path[-2:]))
        return number, title

    def _passage(self, section: int, title: Sequence[int], passage: Passage) -> None:
        by_sentence = [self._numbered(passage.text[begin:end]) for begin, end in passage.sentences]
        if not by_sentence:
            return
        words = [word for sentence in by_sentence for word in sentence]
        for sentence in by_sentence:
            self._sentence_counts.update(set(sentence))
        self._passage_counts.update({*words, *title})
        counts = np.array([len(sentence) for sentence in by_sentence], np.int32)
        self._connection.execute(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._passages, section, passage.page, passage.text, packed(np.array(passage.sentences, np.int32)),
             packed(np.array(words, np.int32)), packed(counts), self._sentences),
        )  # fmt: skip
        self._connection.execute(
            "INSERT INTO words (rowid, title, body) VALUES (?, ?, ?)",
            (self._passages, " ".join(map(str, title)), " ".join(map(str, words))),
        )
        for begin, end in passage.sentences:
            self._texts["sentence"].add(passage.text[begin:end])
        self._passages += 1
        self._sentences += len(by_sentence)
        self._words += len(words)
        self._titles += len(title)

    def _numbered(self, text: str) -> list[int]:
        return [self._numbers.setdefault(word, len(self._numbers)) for word in stems(text)]


class _Texts:
    """Texts that wait for the encoder, a few at a time, and vectors that wait for their block."""

    def __init__(self, connection: sqlite3.Connection, of: str, encoder: Encodes | None) -> None:
        self._connection, self._of, self._encoder = connection, of, encoder
        self._waiting: list[str] = []
        self._first = 0

    def add(self, text: str) -> None:
        if self._encoder is None:
            return
        self._waiting.append(text)
        if len(self._waiting) == BLOCK:
            self.flush()

    def flush(self) -> None:
        if self._encoder is None or not self._waiting:
            return
        # Texts of like length together: padding costs as much as words do.
        order = sorted(range(len(self._waiting)), key=lambda i: len(self._waiting[i]))
        vectors = np.zeros((len(order), self._encoder.dimensions), np.float32)
        for start in range(0, len(order), _ENCODED):
            some = order[start : start + _ENCODED]
            vectors[some] = self._encoder.encode([self._waiting[i] for i in some])
        rows, scales = quantised(vectors)
        self._connection.execute(
            "INSERT INTO vectors VALUES (?, ?, ?, ?)",
            (self._of, self._first, scales.astype("<f4").tobytes(), rows.tobytes()),
        )
        self._first += len(order)
        self._waiting.clear()
