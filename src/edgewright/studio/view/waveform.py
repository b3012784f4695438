"""A reading as a picture: the waveform, and under it the phones of each word, coloured by how they were said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup, escape

from edgewright.schema.coach import WordVerdict
from edgewright.schema.data import Floats

_WIDTH, _WAVE, _PHONES, _WORDS = 960.0, 110.0, 22.0, 20.0
_COLUMNS = 480


def waveform_svg(sound: Floats, rate: int, words: Sequence[WordVerdict]) -> Markup:
    """Return a picture of a reading.

    Args:
        sound: shape (samples,).
        rate: samples a second.
        words: with their phones, in seconds of the sound.
    """
    seconds = max(len(sound) / rate, 1e-3)
    height = _WAVE + _PHONES + _WORDS
    drawn = "".join((*_wave(sound), *_words(words, _WIDTH / seconds)))
    told = f"Waveform of {seconds:.1f} seconds with {len(words)} words"
    # Words and phones are escaped where they are drawn.
    return Markup('<svg class="waveform" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        f"{_WIDTH:g}",
        f"{height:g}",
        told,
        Markup(drawn),  # noqa: S704
    )


def _wave(sound: Floats) -> Iterator[str]:
    """Yield a line a column, from the lowest to the highest sample of it."""
    if not len(sound):
        return
    cuts = np.linspace(0, len(sound), min(_COLUMNS, len(sound)) + 1).astype(np.int64)
    middle, loud = _WAVE / 2, max(float(np.abs(sound).max()), 1e-6)
    scale, step = (middle - 3) / loud, _WIDTH / (len(cuts) - 1)
    low, high = np.minimum.reduceat(sound, cuts[:-1]), np.maximum.reduceat(sound, cuts[:-1])
    path = "".join(
        f"M{(column + 0.5) * step:.1f} {middle - scale * float(top):.1f}V{middle - scale * float(bottom) + 0.5:.1f}"
        for column, (bottom, top) in enumerate(zip(low, high, strict=True))
    )
    yield f'<path d="{path}" stroke="var(--quiet)" stroke-width="1.4" fill="none"/>'


def _words(words: Sequence[WordVerdict], scale: float) -> Iterator[str]:
    for word in words:
        for phone in word.phones:
            x, width = phone.begin_s * scale, (phone.end_s - phone.begin_s) * scale
            colour = "bad" if phone.instead else "good"
            told = f"{phone.phone}, sounds like {phone.instead}" if phone.instead else f"{phone.phone}, as it should be"
            yield (
                f'<rect x="{x:.1f}" y="0" width="{max(width - 1, 1):.1f}" height="{_WAVE + _PHONES:g}" '
                f'fill="var(--{colour})" fill-opacity=".18"><title>{escape(told)}</title></rect>'
                f'<text x="{x + width / 2:.1f}" y="{_WAVE + 15:g}" text-anchor="middle" font-size="11" '
                f'fill="var(--{colour})">{escape(phone.phone)}</text>'
            )
        middle = (word.begin_s + word.end_s) / 2 * scale
        yield (
            f'<text x="{middle:.1f}" y="{_WAVE + _PHONES + 14:g}" text-anchor="middle" font-size="13" '
            f'fill="var(--ink)">{escape(word.word.lower())}</text>'
        )
