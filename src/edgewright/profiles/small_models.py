"""Small language models, one TOML a model, and which devices hold them at how many tokens a second at most.

Weights of 8 and 4 bits come in blocks of 32 with one float16 scale, so that they take 8.5 and 4.5 bits (llama.cpp's
Q8_0 and Q4_0, github.com/ggml-org/llama.cpp, ggml-common.h). The cache keeps a key and a value of 16 bits a layer,
key-value head and token: 2 * layers * kv_heads * head * context * 2 bytes (Pope et al., "Efficiently scaling
transformer inference", arXiv 2211.05102, with shared key-value heads). Every token reads all weights and the cache once
from memory, so that no more than bandwidth / (weights + cache) tokens come a second (ibid.).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from edgewright.core.toml_tables import convert_table
from edgewright.profiles.catalogue import listing as devices
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.profile import Fit, Need, Profile, SmallModel

FOLDER = Path(__file__).resolve().parent / "small_models"
BITS = {16: 16.0, 8: 8.5, 4: 4.5}
"""Bits that a weight takes, with its part of the scales, by the bits it is called after."""
_CACHE_BYTES = 2
_SYSTEM = 1.1
"""Activations and buffers beside weights and cache: a tenth more. Assumption."""


@cache
def listing() -> tuple[str, ...]:
    """Return names of the models, the smallest first."""
    known = [read(path) for path in FOLDER.glob("*.toml")]
    return tuple(model.name for model in sorted(known, key=lambda model: (model.parameters, model.name)))


def load(name: str) -> SmallModel:
    """Return the model of that name, or of a TOML file of one's own when `name` is its path.

    Raises:
        UnknownNameError: listing the known ones.
        InputError: as `read`.
    """
    if name.endswith(".toml"):
        return read(Path(name))
    if name not in listing():
        raise UnknownNameError("small language model", name, listing())
    return read(FOLDER / f"{name}.toml")


def read(path: Path) -> SmallModel:
    """Return the model in a TOML file.

    Raises:
        InputError: naming the file and the key, when it cannot be read or is none.
    """
    try:
        table = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise InputError("a small language model", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a small language model", str(error).replace("`", "'"), str(path)) from None
    model = convert_table(table, SmallModel, str(path))
    if model.name != path.stem:
        raise InputError(f"the name {path.stem!r}, as the file is called", repr(model.name), f"{path}, key name")
    return model


def weight_bytes(model: SmallModel, bits: int) -> int:
    """Return bytes of all weights.

    Raises:
        UnknownNameError: for other bits than 16, 8 and 4.
    """
    if bits not in BITS:
        raise UnknownNameError("number of bits", str(bits), map(str, BITS))
    return round(model.parameters * BITS[bits] / 8)


def cache_bytes(model: SmallModel, context: int) -> int:
    """Return bytes of the keys and values of so many tokens."""
    return 2 * model.layers * model.kv_heads * model.head * context * _CACHE_BYTES


def fit(model: SmallModel, context: int, names: Sequence[str] = ()) -> Fit:
    """Which devices hold a model, and how fast it can be at most.

    Args:
        model: the model.
        context: tokens that are remembered; the model's own limit where that is less.
        names: of device profiles; all that are known when left out.

    Raises:
        InputError: for a context below 1, or as `load_profile`.
    """
    if context < 1:
        raise InputError("a context of at least one token", str(context), "--context")
    tokens = min(context, model.context)
    profiles = [load_profile(name) for name in names or devices()]
    needs = tuple(_need(model, bits, tokens, profiles) for bits in BITS)
    figures = {profile.name: profile.bandwidth for profile in profiles if profile.bandwidth is not None}
    return Fit(model=model, context=tokens, needs=needs, bandwidths=figures)


def _need(model: SmallModel, bits: int, tokens: int, profiles: Sequence[Profile]) -> Need:
    weights, cached = weight_bytes(model, bits), cache_bytes(model, tokens)
    candidates = [
        profile
        for profile in profiles
        if (weights + cached) * _SYSTEM <= profile.ram.value and weights <= profile.flash.value
    ]
    speeds = {p.name: p.bandwidth.value / (weights + cached) for p in candidates if p.bandwidth is not None}
    return Need(bits=bits, weights=weights, cache=cached, devices=tuple(p.name for p in candidates), tokens=speeds)
