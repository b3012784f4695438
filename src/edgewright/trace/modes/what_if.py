"""Mode 'what-if': what can be changed in this run, by short names for keys of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.schema.errors import InputError
from edgewright.schema.lesson import Block, Code, Grid, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode

Config = Mapping[str, Any]
# Kinds of stages that decide how many columns go on, and the key that says so.
_COLUMNS = {"select": "k", "pca": "components"}
_BITS = {"8": "true", "32": "false"}


@dataclass(frozen=True)
class Knob:
    """One thing that can be changed.

    Attributes:
        description: a few words.
        now: its value in the run.
        other: a value worth trying.
        sets: value -> changes `a.b=v` of the configuration.
    """

    description: str
    now: str
    other: str
    sets: Callable[[str], tuple[str, ...]]


def alone(config: Config) -> dict[str, Any]:
    """Return the configuration without the comparison over data sizes, with the chosen architecture as its layers."""
    changed = dict(config)
    scaling, chosen = changed.get("scaling"), changed.get("architecture")
    if scaling and chosen:
        changed["model"] = {**changed.get("model", {}), "layers": scaling["architectures"][chosen]}
    return {**changed, "scaling": None, "architecture": ""}


def knobs(config: Config) -> dict[str, Knob]:
    """Return what can be changed in a run of this configuration, by short name."""
    single = alone(config)
    candidates = {
        "features": _features(single),
        "layers": _layers(single),
        "epochs": _number(single, "training", "epochs", "maximum passes over the training samples", 3),
        "bits": _bits(single),
        "rows": _number(single, "data", "rows", "simulated rows", 2),
    }
    return {name: knob for name, knob in candidates.items() if knob is not None}


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

            return Knob(description="columns passed to the network", now=str(now), other=str(half), sets=sets)
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
    return Knob(description="units of the hidden layers", now=",".join(map(str, units)), other=other, sets=sets)


def _number(config: Config, table: str, name: str, description: str, share: int) -> Knob | None:
    """Return a whole number of a table; a share of it is worth trying."""
    now = config.get(table, {}).get(name)
    if not isinstance(now, int):
        return None
    return Knob(
        description, str(now), str(max(1, now // share)), lambda text: (f"{table}.{name}={_count(name, text)}",)
    )


def _bits(config: Config) -> Knob | None:
    now = config.get("compression", {}).get("int8")
    if not isinstance(now, bool):
        return None

    def sets(text: str) -> tuple[str, ...]:
        if text.strip() not in _BITS:
            raise InputError("8 or 32", repr(text), "--set bits", "8 creates an int8 form, 32 keeps only float32")
        return (f"compression.int8={_BITS[text.strip()]}",)

    return Knob(description="bits of a weight", now="8" if now else "32", other="32" if now else "8", sets=sets)


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the values that can be changed by a short name, and the command."""
    changes = knobs(trace.config) if trace.config else {}
    if not changes:
        return (Paragraph(text="This trace has no configuration: run the pipeline again to change it."),)
    rows = tuple((name, knob.description, knob.now, f"--set {name}={knob.other}") for name, knob in changes.items())
    name, first = next(iter(changes.items()))
    blocks: list[Block] = [
        Paragraph(text="Change one setting, run again, and see the effect on accuracy, bytes and latency."),
        Grid(headers=("name", "what", "now", "try"), rows=rows),
        Code(
            language="shell",
            text=f"edgewright learn runs/{trace.name} --mode what-if --set {name}={first.other}",
            caption="the new run gets the next number in this folder",
        ),
        Paragraph(text="Any key of the pipeline can be set as well, for example --set training.learning_rate=0.01."),
    ]
    if trace.scaling is not None:
        blocks.append(Paragraph(text="Such a run skips the comparison of data sizes."))
    return tuple(blocks)


MODE = Mode(rank=60, title="What if", purpose="Change one number and run again.", blocks=mode_blocks)
