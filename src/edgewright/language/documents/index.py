"""Writing an index: one SQLite file, whole or not there."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    DocumentIndexError,
    DocumentUnreadableError,
    EncoderMismatchError,
    InputError,
    MissingFileError,
    OutputError,
    QuestionError,
    SqliteTooOldError,
)
from edgewright.core.files import sync
from edgewright.core.own_models import hash_of
from edgewright.language.embedding import load
from edgewright.language.embedding.directory import PAIRED, look, opened_again, unit
from edgewright.language.embedding.load import TextEncoder
from edgewright.nlp.documents.media import (
    BLOCK,
    TABLES,
    MediaGraph,
    Meta,
    Vectors,
    existing,
    files_of,
    packed,
    quantised,
)
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.documents.words import sentence_spans, stems
from edgewright.nlp.records import INDEX_FORMAT, INDEX_VERSION, Document, FoundPassage, Indexed, Passage
from edgewright.nlp.utterance.student import Encodes

# Characters of a passage: about what a person reads at a glance, and a short context for a language model.
LONGEST = 1200
_SPACE = re.compile(r"[^\S\n]+")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b\ufeff\ud800-\udfff]")


class Block(NamedTuple):
    """A paragraph, an item of a list or a row of a table, with the headings above it and its page (0: none)."""

    path: tuple[str, ...]
    page: int
    text: str


def clean(text: str) -> str:
    """Single spaces, no control characters, none at the ends."""
    return _SPACE.sub(" ", _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))).strip()


def cut(blocks: Iterable[Block]) -> Iterator[Passage]:
    """Yield passages of at most `LONGEST` characters, or one sentence, never across headings or pages."""
    path: tuple[str, ...] = ()
    page = 0
    waiting = ""
    for block in blocks:
        text = clean(block.text)
        if not text:
            continue
        if waiting and (block.path, block.page) != (path, page):
            yield from _pieces(path, page, waiting)
            waiting = ""
        path, page = block.path, block.page
        if len(waiting) + len(text) > LONGEST and waiting:
            yield from _pieces(path, page, waiting)
            waiting = ""
        waiting = f"{waiting}\n{text}" if waiting else text
    if waiting:
        yield from _pieces(path, page, waiting)


def _pieces(path: tuple[str, ...], page: int, text: str) -> Iterator[Passage]:
    begin = 0
    spans: list[tuple[int, int]] = []
    for span in sentence_spans(text):
        if spans and span[1] - begin > LONGEST:
            yield _passage(path, page, text, spans)
            spans = []
        begin = begin if spans else span[0]
        spans.append(span)
    if spans:
        yield _passage(path, page, text, spans)


def _passage(path: tuple[str, ...], page: int, text: str, spans: list[tuple[int, int]]) -> Passage:
    first = spans[0][0]
    moved = tuple((begin - first, end - first) for begin, end in spans)
    return Passage(path=path, page=page, text=text[first : spans[-1][1]], sentences=moved)


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
        raise MissingFileError("a folder to write in", "no such folder", str(path.parent))
    os.close(handle)
    temporary = Path(name)
    try:
        contents = _write(temporary, documents, encoder, media)
        sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        sync(path.parent)
    except (sqlite3.OperationalError, OSError) as error:
        if "no such" in str(error):
            got = f"SQLite {sqlite3.sqlite_version}: {error}"
            raise SqliteTooOldError("an SQLite with FTS5 and its trigrams (3.34 or newer)", got) from None
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
    raise DocumentIndexError("an index or an unused name", got, str(path), "Choose another --out")


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
            raise DocumentUnreadableError("documents with words", "none at all", names,
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


def checked_encoder(index: DocumentIndex, encoder: Path) -> Encodes:
    """Return the encoder of an index.

    Raises:
        InputError: the index has no vectors, they are of another encoder, or the directory is none of an encoder.
    """
    contents = index.contents
    if not contents.encoder:
        raise EncoderMismatchError("an index with vectors", "one without", str(index.path),
                         "Create it with: edgewright language index ... --encoder DIR")  # fmt: skip
    loaded = load(encoder)
    check_encoder(index, loaded, encoder)
    return loaded


def check_encoder(index: DocumentIndex, encoder: Encodes, where: Path) -> None:
    """Refuse an encoder that did not make the index's vectors.

    Raises:
        InputError: its name, the length of its vectors or its SHA-256 is another one.
    """
    contents, sha256 = index.contents, getattr(encoder, "sha256", "")
    if (encoder.name, encoder.dimensions) != (contents.encoder, contents.dimensions):
        got = f"{encoder.name!r} with vectors of length {encoder.dimensions}"
        raise EncoderMismatchError(
            f"the index's encoder, {contents.encoder!r} of length {contents.dimensions}", got, str(where)
        )
    if contents.encoder_sha256 and sha256 and sha256 != contents.encoder_sha256:
        expected = f"the index's encoder, {contents.encoder!r} of SHA-256 {contents.encoder_sha256[:12]}"
        raise DocumentIndexError(expected, sha256[:12], str(where), "Build the index again with this encoder")


def vector_of(index: DocumentIndex, encoder: Path, question: str) -> NDArray[np.float32]:
    """Return the question's vector, shape (d,); errors as of `checked_encoder`."""
    return np.asarray(checked_encoder(index, encoder).encode([question])[0], np.float32)


class MediaEncoder(MediaGraph):
    """Pictures or sounds to unit vectors, and texts to vectors of the same space.

    Args:
        directory: of the encoder.

    Raises:
        InputError: no such directory, no graph in it, or one that takes something else.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.sha256 = hash_of(directory)
        self._text = _text(directory)
        self.bytes += self._text.bytes if self._text else 0
        if self._text is not None and self._text.dimensions != self.dimensions:
            got = f"{self._text.dimensions} and {self.dimensions}"
            raise EncoderMismatchError("text and media in vectors of one length", got, str(directory))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the path of the directory."""
        return opened_again, (MediaEncoder, self.directory.absolute(), self.sha256)

    @property
    def reads_text(self) -> bool:
        """Whether texts can be compared with what it encodes."""
        return self._text is not None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of texts, shape (n, d).

        Raises:
            InputError: there is no encoder of text beside it.
        """
        if self._text is None:
            raise EncoderMismatchError(
                "text_model.onnx and tokenizer.json next to the encoder",
                "none",
                str(self.directory),
                "Search by example with --like FILE",
            )
        return self._text.encode(texts)


def _text(directory: Path) -> TextEncoder | None:
    model = existing(directory, PAIRED[:1])
    if model is None or not (directory / "tokenizer.json").is_file():
        return None
    return TextEncoder(look(directory), model, model.stat().st_size)


_LONGEST_NAME = 400


class _Folder:
    """A folder as a document and as the encoder of its own passages.

    Files that cannot be read are left out and noted.
    """

    def __init__(self, folder: Path, encoder: MediaEncoder) -> None:
        self.name, self.dimensions, self.sha256 = encoder.name, encoder.dimensions, encoder.sha256
        self._folder, self._encoder = folder, encoder
        self._vectors: dict[str, Vectors] = {}
        self._notes: list[str] = []
        self._digest = hashlib.sha256()

    def blocks(self) -> Iterator[Block]:
        seen: set[str] = set()
        for path in files_of(self._folder, self._encoder.kind):
            # A name may hold bytes that are no UTF-8; the index holds text.
            real = path.relative_to(self._folder).as_posix().encode("utf-8", "replace").decode()
            # One word for the splitter of sentences, whatever the name is, and another one for each file.
            name = re.sub(r"\s+", "_", real)[-_LONGEST_NAME:]
            while name in seen:
                name = f"_{name}"
            seen.add(name)
            try:
                self._vectors[name] = self._encoder.encode_file(path)
                self._digest.update(path.read_bytes())
            except InputError as error:
                if len(self._notes) < 20:
                    self._notes.append(f"left out: {error}")
                continue
            above = tuple(real.split("/")[:-1]) or (self._folder.name,)
            # A path of its own, which ends with the file's name: each is a section, told one by one.
            yield Block((*above, real), 0, name)
        if not self._vectors:
            raise EncoderMismatchError(f"{self._encoder.kind}s that can be read", "none", str(self._folder))

    def document(self) -> Document:
        notes = tuple(self._notes)
        kind = f"{self._encoder.kind}s"
        return Document(name=self._folder.name, kind=kind, sha256=self._digest.hexdigest(), notes=notes)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of files by their names; zeros for headings, which say nothing here."""
        nothing = np.zeros(self.dimensions, np.float32)
        return np.stack([self._vectors.pop(text, nothing) for text in texts])


def write_media_index(path: Path, folder: Path, encoder: MediaEncoder) -> Indexed:
    """Write an index of the pictures or sounds below a folder.

    Args:
        path: path of the index.
        folder: with its sub-folders.
        encoder: of the kind that is looked for.

    Raises:
        InputError: none that can be read.
        OutputError: the index cannot be written.
    """
    own = _Folder(folder, encoder)
    return write_index(path, [own], own, media=encoder.kind)


def search_media(
    index: DocumentIndex,
    directory: Path,
    *,
    question: str = "",
    like: Path | None = None,
    unlike: Path | None = None,
    top: int = 3,
) -> tuple[FoundPassage, ...]:
    """Return the nearest passages, the nearest first.

    Args:
        index: of pictures, of sounds, or of documents with the vectors of a pair's text encoder.
        directory: of the encoder that the index was built with.
        question: words.
        like: a picture or sound; with words, the sum of both vectors counts.
        unlike: a file or a folder of what is known already: it is left out, and so is what resembles it more than
            the question.
        top: number of passages.

    Raises:
        InputError: another encoder, an index without vectors, or a file that cannot be read.
    """
    encoder = MediaEncoder(directory)
    check_encoder(index, encoder, directory)
    vectors = [encoder.encode_file(like)] if like is not None else []
    vectors += list(encoder.encode([question])) if question else []
    if not vectors:
        raise QuestionError("a question or a file to search with", "neither", str(index.path))
    history = np.zeros((0, encoder.dimensions), np.float32)
    if unlike is not None:
        files = files_of(unlike, encoder.kind) if unlike.is_dir() else [unlike]
        history = np.stack([encoder.encode_file(file) for file in files])
    return index.nearest(np.asarray(unit(np.sum(vectors, axis=0)), np.float32), top, history)
