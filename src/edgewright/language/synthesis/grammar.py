"""Utterances out of a grammar: templates of each intent, rules that they use, and paraphrases of what is in them.

    [rules]
    wish = ["I want", "give me", "(could|can) I have"]
    [intents.dispense_drink]
    templates = ["{wish} a [{drink}](drink) (please|)"]
    [paraphrases]
    "I want" = ["I would like", "I'd love"]

`{rule}` stands for one of its forms, `(a|b|)` for one of these, `[words](slot)` marks a slot. Sentences are drawn,
never listed: a grammar of more sentences than could be counted costs no more than one of ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.toml_tables import convert_table
from edgewright.language.utterances.read import utterance
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.language import Utterance

METHOD = "synthetic/grammar"
_PIECE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|\(([^()\[\]]*\|[^()\[\]]*)\)")
_LONGEST, _PENDING, _DEEPEST, _LARGEST = 300, 100_000, 12, 1 << 20
_PIECES = 10_000
Form = Annotated[str, msgspec.Meta(max_length=2_000)]
Forms = Annotated[list[Form], msgspec.Meta(min_length=1, max_length=10_000)]


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`templates` of one intent."""

    templates: Forms


class Grammar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grammar as it is written."""

    intents: Annotated[dict[str, Templates], msgspec.Meta(min_length=1)]
    rules: dict[str, Forms] = {}
    paraphrases: dict[str, Forms] = {}


def read_grammar(path: Path) -> Grammar:
    """Read and check a grammar.

    Raises:
        InputError: no file, no grammar, rules that use one another in a round, or too deep.
        UnknownNameError: a rule that is none.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > _LARGEST:
            raise InputError("a grammar of at most 1 MB", f"{len(raw):,} bytes", str(path))
        table = msgspec.toml.decode(raw)
    except OSError as error:
        raise InputError("a grammar", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("a grammar of TOML", str(error), str(path)) from None
    grammar = convert_table(table, Grammar, path.name)
    depths: dict[str, int] = {}
    for name in grammar.rules:
        _depth(grammar, name, (), path.name, depths)
    for intent, part in grammar.intents.items():
        for form in part.templates:
            _uses(grammar, form, f"{path.name} intents.{intent}")
    return grammar


def sentences(grammar: Grammar, count: int, seed: int, where: str) -> tuple[list[Utterance], list[str]]:
    """So many different sentences of each intent, fewer where the grammar has fewer.

    Returns:
        Utterances, marked as synthetic by their place, and findings.

    Raises:
        InputError: for a sentence beyond 300 characters: rules that grow one another.
    """
    rng = np.random.default_rng(seed)
    utterances: list[Utterance] = []
    findings = []
    for intent, part in grammar.intents.items():
        seen: dict[str, None] = {}
        # What is seldom new any more has been said.
        for _ in range(20 * count):
            if len(seen) == count:
                break
            form = part.templates[int(rng.integers(len(part.templates)))]
            seen.setdefault(_tidy(_paraphrased(grammar, _filled(grammar, form, rng, where), rng)))
        utterances += [utterance(text, intent, f"{METHOD} {where}") for text in seen if text]
        if len(seen) < count:
            findings.append(f"intent {intent!r}: {len(seen)} different sentences were found of {count} asked for")
    return utterances, findings


def _uses(grammar: Grammar, form: str, where: str) -> Iterator[str]:
    for match in _PIECE.finditer(form):
        if match[1] is not None and match[1] not in grammar.rules:
            raise UnknownNameError("rule", match[1], grammar.rules, where)
    return (match[1] for match in _PIECE.finditer(form) if match[1] is not None)


def _depth(grammar: Grammar, name: str, above: tuple[str, ...], where: str, depths: dict[str, int]) -> int:
    """Rules below one another, each looked at once; `depths` holds those that are known."""
    if name in above:
        raise InputError("rules without a cycle", " -> ".join([*above[above.index(name) :], name]), f"{where} rules")
    if name in depths:
        return depths[name]
    used = {other for form in grammar.rules[name] for other in _uses(grammar, form, f"{where} rules.{name}")}
    depths[name] = 1 + max((_depth(grammar, other, (*above, name), where, depths) for other in used), default=0)
    if depths[name] > _DEEPEST:
        raise InputError(f"rules at most {_DEEPEST} deep", "deeper", f"{where} rules.{name}")
    return depths[name]


def _filled(grammar: Grammar, form: str, rng: np.random.Generator, where: str) -> str:
    pieces = 0
    while (match := _PIECE.search(form)) is not None:
        forms = match[2].split("|") if match[1] is None else grammar.rules[match[1]]
        form = form[: match.start()] + forms[int(rng.integers(len(forms)))] + form[match.end() :]
        pieces += 1
        # What stands left of the first piece is as it will be. Rules may also grow one another without a word.
        if match.start() > _LONGEST or len(form) > _PENDING or pieces > _PIECES:
            break
    if len(form) > _LONGEST or pieces > _PIECES:
        raise InputError(f"sentences of at most {_LONGEST} characters", f"{form[:40]!r}...", where,
                         "The rules expand each other; shorten them")  # fmt: skip
    return form


def _paraphrased(grammar: Grammar, text: str, rng: np.random.Generator) -> str:
    """Each phrase that has paraphrases stays, or becomes one of them; words of a slot stay."""
    for phrase, others in grammar.paraphrases.items():
        pick = int(rng.integers(len(others) + 1))
        if pick:
            message = others[pick - 1].replace("\\", r"\\")
            text = re.sub(rf"(?<!\[)\b{re.escape(phrase)}\b(?![^\[]*\]\()", message, text)
    return text


def _tidy(text: str) -> str:
    return re.sub(r"\s+([.,!?])", r"\1", " ".join(text.split()))
