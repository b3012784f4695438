"""What was measured of a language model in several sizes."""

from __future__ import annotations

import msgspec

from edgewright.schema.trace import Interval


class LanguageModelSize(msgspec.Struct, frozen=True, kw_only=True):
    """A language model in one of its sizes, measured on a text.

    Attributes:
        name: 'as given', or the type of its matrices.
        bits_per_weight: of all tensors, scales included.
        bytes: of the file.
        perplexity: on the text, with its interval over chunks.
        ratio: of its perplexity to that of the file as given, chunk by chunk.
        tokens_per_second: while it writes.
        prompt_tokens_per_second: while it reads.
        peak_bytes: largest resident memory, weights included; None where the system does not say.
    """

    name: str
    bits_per_weight: float
    bytes: int
    perplexity: Interval
    ratio: Interval
    tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    peak_bytes: int | None


class LanguageModelCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Perplexity against bits.

    Attributes:
        model, text: names of the files.
        chunks, tokens: of the text that were judged on.
        sizes: the file as given first.
        chosen: name of the smallest size whose perplexity is at most `within` above that of the file as given, by the
            upper end of its interval.
        within: a share.
    """

    model: str
    text: str
    chunks: int
    tokens: int
    sizes: tuple[LanguageModelSize, ...]
    chosen: str
    within: float
