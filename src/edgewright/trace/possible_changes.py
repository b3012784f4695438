"""What one can change in a run to see what happens: short names for keys of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.schema.errors import InputError

Config = Mapping[str, Any]
# Kinds of stages that decide how many columns go on, and the key that says so.
_COLUMNS = {"select": "k", "pca": "components"}
_BITS = {"8": "true", "32": "false"}


@dataclass(frozen=True)
class Knob:
    """One thing that can be changed.

    Attributes:
        what: a few words.
        now: its value in the run.
        other: a value worth trying.
        sets: value -> changes `a.b=v` of the configuration.
    """

    what: str
    now: str
    other: str
    sets: Callable[[str], tuple[str, ...]]


def alone(config: Config) -> dict[str, Any]:
    """Return the configuration without the comparison over data sizes, with the chosen architecture as its layers."""
    made = dict(config)
    scaling, chosen = made.get("scaling"), made.get("architecture")
    if scaling and chosen:
        made["model"] = {**made.get("model", {}), "layers": scaling["architectures"][chosen]}
    return {**made, "scaling": None, "architecture": ""}


def knobs(config: Config) -> dict[str, Knob]:
    """Return what can be changed in a run of this configuration, by short name."""
    made = alone(config)
    found = {
        "features": _features(made),
        "layers": _layers(made),
        "epochs": _epochs(made),
        "bits": _bits(made),
        "rows": _rows(made),
    }
    return {name: knob for name, knob in found.items() if knob is not None}


def _count(name: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError("a whole number above zero", repr(text), f"--set {name}")
    return int(text)


def _features(config: Config) -> Knob | None:
    for index, stage in enumerate(config.get("stages", ())):
        key = _COLUMNS.get(stage.get("kind", ""))
        if key is not None and key in stage:
            now = stage[key]
            half = max(1, now // 2) if isinstance(now, int) else 3

            def sets(text: str, index: int = index, key: str = key) -> tuple[str, ...]:
                return (f"stages.{index}.{key}={_count('features', text)}",)

            return Knob(what="columns passed to the network", now=str(now), other=str(half), sets=sets)
    return None


def _layers(config: Config) -> Knob | None:
    layers = config.get("model", {}).get("layers", ())
    units = [layer["units"] for layer in layers if layer.get("kind") == "dense" and "units" in layer]
    if not units or any(layer.get("kind") not in ("dense", "dropout") for layer in layers):
        return None

    def sets(text: str) -> tuple[str, ...]:
        sizes = [_count("layers", part) for part in text.split(",")]
        tables = ", ".join(f'{{kind = "dense", units = {size}, activation = "relu"}}' for size in sizes)
        return (f"model.layers=[{tables}]",)

    other = ",".join(str(max(1, size // 2)) for size in units)
    return Knob(what="units of the hidden layers", now=",".join(map(str, units)), other=other, sets=sets)


def _epochs(config: Config) -> Knob | None:
    now = config.get("training", {}).get("epochs")
    if not isinstance(now, int):
        return None
    return Knob(
        what="maximum passes over the training samples",
        now=str(now),
        other=str(max(1, now // 3)),
        sets=lambda text: (f"training.epochs={_count('epochs', text)}",),
    )


def _bits(config: Config) -> Knob | None:
    now = config.get("compression", {}).get("int8")
    if not isinstance(now, bool):
        return None

    def sets(text: str) -> tuple[str, ...]:
        if text.strip() not in _BITS:
            raise InputError("8 or 32", repr(text), "--set bits", "8 creates an int8 form, 32 keeps only float32")
        return (f"compression.int8={_BITS[text.strip()]}",)

    return Knob(what="bits of a weight", now="8" if now else "32", other="32" if now else "8", sets=sets)


def _rows(config: Config) -> Knob | None:
    now = config.get("data", {}).get("rows")
    if not isinstance(now, int):
        return None
    return Knob(
        what="simulated rows",
        now=str(now),
        other=str(max(1, now // 2)),
        sets=lambda text: (f"data.rows={_count('rows', text)}",),
    )
