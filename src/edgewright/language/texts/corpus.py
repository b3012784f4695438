"""Texts of a folder, by article: documents by their sections, utterances by intent, JSON by its entries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from edgewright.language.documents.readers import DocumentFile, readers
from edgewright.nlp.texts.contract import Codes, encode
from edgewright.schema.errors import InputError

FEWEST = 10
"""Articles that a corpus needs, so that whole ones can be left out."""
_SHORTEST = 40
_UTTERANCES = 100


class Article(NamedTuple):
    """A text that is left out or trained on as a whole.

    Attributes:
        name: file and section.
        codes: its symbols, a line end after the last, shape (n,).
    """

    name: str
    codes: Codes


def read_corpus(path: Path) -> list[Article]:
    """Read the articles of a file or of all files of a folder, each text once.

    A document is divided at its headings of the first two levels. In JSON, each entry of the longest list or table at
    the top is an article of all its texts with a space in them; pairs of text and label are gathered by label, as CLINC
    and SNIPS publish utterances.

    Raises:
        InputError: no such path, or fewer than ten articles of 40 characters.
    """
    if not path.exists():
        raise InputError("a folder of texts", "nothing there", str(path))
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    articles: list[Article] = []
    seen: set[str] = set()
    for file in files:
        if _is_about(file):
            continue
        for name, text in _texts(file):
            digest = hashlib.sha256(text.encode()).hexdigest()
            if len(text) >= _SHORTEST and digest not in seen:
                seen.add(digest)
                articles.append(Article(f"{file.name} {name}".strip(), encode(text + "\n")))
    if len(articles) < FEWEST:
        known = ", ".join((*readers(), ".json"))
        do = f"Add texts ({known}), or headings that divide them"
        raise InputError(f"at least {FEWEST} articles of {_SHORTEST} characters", str(len(articles)), str(path), do)
    return articles


def _is_about(file: Path) -> bool:
    """Return whether a file is about the texts: a licence or a description of the set."""
    return file.stem.lower().startswith(("licen", "readme", "original_readme", "cc-by", "manifest"))


def joined(articles: list[Article]) -> Codes:
    """Return the symbols of articles, one after the other."""
    return np.concatenate([article.codes for article in articles]) if articles else np.zeros(0, np.uint8)


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    suffix = file.suffix.lower()
    if suffix == ".json":
        yield from _of_json(file)
    elif suffix in readers():
        yield from _of_document(file)


def _of_document(file: Path) -> Iterator[tuple[str, str]]:
    lines: list[str] = []
    path: tuple[str, ...] = ()
    for block in DocumentFile(file).blocks():
        here = tuple(block.path[:2])
        if here != path and lines:
            yield " > ".join(path), "\n".join(lines)
            lines = []
        if here != path:
            path = here
            lines.append(" - ".join(path))
        lines.append(block.text)
    if lines:
        yield " > ".join(path), "\n".join(lines)


def _of_json(file: Path) -> Iterator[tuple[str, str]]:
    content = file.read_bytes()
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Some published files are Latin-1.
        try:
            decoded = msgspec.json.decode(content.decode("latin-1").encode())
        except msgspec.DecodeError as error:
            raise InputError("JSON", str(error), str(file)) from None
    pairs: dict[str, list[str]] = {}
    for text, label in _pairs(decoded):
        pairs.setdefault(label, []).append(text)
    if pairs:
        for label, texts in pairs.items():
            for begin in range(0, len(texts), _UTTERANCES):
                yield f"{label} {begin}".removesuffix(" 0"), "\n".join(texts[begin : begin + _UTTERANCES])
        return
    for name, entry in _entries(decoded):
        yield name, "\n".join(text for text in _strings(entry) if " " in text)


def _pairs(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON
    """Yield texts with their label: [text, label], and lists of pieces of text under the name of an intent."""
    for name, entries in value.items() if isinstance(value, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry):
                yield entry[0], entry[1]
            elif isinstance(entry, dict) and set(entry) == {"data"} and isinstance(entry["data"], list):
                yield "".join(str(part.get("text", "")) for part in entry["data"]).strip(), name


def _entries(value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    """Return the entries of the longest list or table at the top."""
    if isinstance(value, list):
        return [(str(number), entry) for number, entry in enumerate(value, 1)]
    if not isinstance(value, dict):
        return [("", value)]
    inner = max((entries for entries in value.values() if isinstance(entries, list)), key=len, default=[])
    if len(inner) > len(value):
        return [(str(number), entry) for number, entry in enumerate(inner, 1)]
    return list(value.items())


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
