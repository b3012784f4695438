"""Static embeddings: folders of model2vec, files of GloVe and word2vec."""

from __future__ import annotations

from pathlib import Path

from edgewright.language.embedding.directory import is_static
from edgewright.language.embedding.load import StaticEncoder
from edgewright.language.embedding.word_vectors import look_at_words, write_word_vectors
from edgewright.language.own_models import Figures, ModelKind, copy_files
from edgewright.language.own_models._text import test_text

_SUFFIXES = (".txt", ".vec", ".bin")


def _matches(path: Path) -> bool:
    return is_static(path) or (path.is_file() and path.suffix in _SUFFIXES and look_at_words(path) is not None)


def _copy(source: Path, target: Path) -> str:
    if source.is_dir():
        copy_files(source, target, [source / "tokenizer.json", source / "model.safetensors"])
    else:
        write_word_vectors(source, target)
    return ""


def _test(path: Path) -> tuple[str, Figures]:
    encoder = StaticEncoder(path)
    return "text", {**test_text(encoder, str(path)), "tokens": encoder.tokens}


KIND = ModelKind(
    "static embeddings (a model2vec folder, or a .txt, .vec or .bin file of GloVe or word2vec)", _matches, _copy, _test
)
