"""What a study is of, judged by contents: a pipeline may be named by another path, a budget be written otherwise.

Beside the study lies `search.json`, the pipeline as it was searched: it tells what has changed in a pipeline since, and
points are made from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import write_atomic
from edgewright.schema.budget import parse_budget
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError
from edgewright.schema.profile import Profile
from edgewright.search.architecture.cache import digest
from edgewright.search.architecture.study import FILE, Identity, Study, read_identity, resume

KEPT = "search.json"
# So many changes of a pipeline are named.
MOST_NAMED = 4


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline that is searched, and the path that overrides the one in `[data]`."""

    pipeline: PipelineConfig
    data: str | None = None


def everywhere(config: PipelineConfig, data: str | None) -> tuple[PipelineConfig, str | None]:
    """Return the pipeline and its data with paths that are valid in any folder, such as a worker's."""
    changed: dict[str, Any] = {}
    location, profile = config.data.get("path"), config.device.profile
    if isinstance(location, str) and location:
        changed["data"] = {**config.data, "path": str(Path(location).absolute())}
    if profile.endswith(".toml"):
        changed["device"] = msgspec.structs.replace(config.device, profile=str(Path(profile).absolute()))
    return msgspec.structs.replace(config, **changed), None if data is None else str(Path(data).absolute())


def identity_of(config: PipelineConfig, profile: Profile, samples: str, **request: Any) -> Identity:  # noqa: ANN401
    """Return what a study is of.

    Args:
        config: of the pipeline.
        profile: of the device.
        samples: SHA-256 of the samples.
        **request: budget, sampler, folds and batch, as of `Identity`.
    """
    return Identity(
        pipeline=config.name, config=digest(placeless(config))[:12], data=samples[:12],
        device=f"{profile.name} {digest(profile)[:8]}", seed=config.seed, **request,
    )  # fmt: skip


def placeless(config: PipelineConfig) -> PipelineConfig:
    """Return the pipeline without the places of its data and device, which a study knows by what is in them."""
    return msgspec.structs.replace(
        config,
        data={key: value for key, value in config.data.items() if key != "path"},
        device=msgspec.structs.replace(config.device, profile=""),
    )


def keep(folder: Path, config: PipelineConfig, data: str | None) -> None:
    """Write what points of the study are made from.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomic(folder / KEPT, msgspec.json.encode(Kept(pipeline=config, data=data)))


def kept(folder: Path) -> Kept:
    """Return what points of the study are made from.

    Raises:
        InputError: it is absent or damaged.
    """
    try:
        return msgspec.json.decode((folder / KEPT).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error).replace("`", "'")
        raise InputError(
            "the pipeline of a study", text or "nothing", str(folder / KEPT), "Restore it with --resume"
        ) from None


def go_on(folder: Path, own: Identity, config: PipelineConfig) -> Study:
    """Return a study that is gone on with.

    Args:
        folder: of the study.
        own: what is asked for.
        config: of the pipeline that is asked for.

    Raises:
        InputError: there is none, or it is of something else: what differs is named.
    """
    found = read_identity(folder)
    same = found.config == own.config
    changed: list[str] = []
    if not same:
        try:
            changed = changes(kept(folder).pipeline, config)
        except InputError:
            changed = ["unknown changes"]
        # A later version may hash the same pipeline otherwise: contents count.
        same = not changed
    if _limits(found.budget) == _limits(own.budget):
        own = msgspec.structs.replace(own, budget=found.budget)
    study = resume(folder, msgspec.structs.replace(own, config=found.config))
    if not same:
        study.close()
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        raise InputError(
            f"the pipeline {found.pipeline!r} unchanged since the start of the study",
            f"changes in {', '.join(changed[:MOST_NAMED])}{more}", str(folder / FILE),
            "Restore them to continue, or set another --out to start over",
        )  # fmt: skip
    return study


def changes(before: PipelineConfig, now: PipelineConfig) -> list[str]:
    """Return keys in which pipelines differ, with both values: 'training.epochs (3, now 5)'; places do not count."""
    old, new = _flat(placeless(before)), _flat(placeless(now))
    differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [f"{key} ({_short(old, key)}, now {_short(new, key)})" for key in differing]


def _flat(config: PipelineConfig) -> dict[str, Any]:
    """Return values by dotted key, as a person would name them."""
    found: dict[str, Any] = {}

    def add(value: Any, key: str) -> None:  # noqa: ANN401 - what JSON holds
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if not entries or not value:
            found[key] = value
            return
        for name, entry in entries:
            add(entry, f"{key}.{name}" if key else str(name))

    add(msgspec.json.decode(msgspec.json.encode(config)), "")
    return found


def _short(values: dict[str, Any], key: str) -> str:
    text = str(values[key]) if key in values else "not there"
    return text if len(text) <= 30 else f"{text[:29]}…"


def _limits(budget: str) -> object:
    """Return the limits of a budget, however it is written; None are those of the device."""
    return parse_budget(budget) if budget else None
