"""Identity of a study by content, independent of paths and of the notation of the budget.

The file `search.json` next to the study stores the pipeline of the search. It shows later changes of the pipeline, and
points are built from it.
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
from edgewright.search.architecture.samples import digest
from edgewright.search.architecture.study import FILE, Identity, Study, read_identity, resume
from edgewright.trace.compare import flat_settings

KEPT = "search.json"
# Maximum number of changes of a pipeline that are named.
MOST_NAMED = 4


class StoredPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """Stored pipeline of a search, and the path that overrides the one in `[data]`."""

    pipeline: PipelineConfig
    data: str | None = None


def with_absolute_paths(config: PipelineConfig, data: str | None) -> tuple[PipelineConfig, str | None]:
    """Return the pipeline and its data with absolute paths, which are valid in the folder of any worker."""
    changed: dict[str, Any] = {}
    location, profile = config.data.get("path"), config.device.profile
    if isinstance(location, str) and location:
        changed["data"] = {**config.data, "path": str(Path(location).absolute())}
    if profile.endswith(".toml"):
        changed["device"] = msgspec.structs.replace(config.device, profile=str(Path(profile).absolute()))
    return msgspec.structs.replace(config, **changed), None if data is None else str(Path(data).absolute())


def identity_of(config: PipelineConfig, profile: Profile, samples: str, **request: Any) -> Identity:  # noqa: ANN401
    """Return the identity of a study.

    Args:
        config: pipeline configuration.
        profile: device profile.
        samples: SHA-256 of the samples.
        **request: fields `budget`, `sampler`, `folds` and `batch` of `Identity`.
    """
    return Identity(
        pipeline=config.name, config=digest(without_paths(config))[:12], data=samples[:12],
        device=f"{profile.name} {digest(profile)[:8]}", seed=config.seed, **request,
    )  # fmt: skip


def without_paths(config: PipelineConfig) -> PipelineConfig:
    """Return the pipeline without the paths of its data and device, whose contents a study hashes instead."""
    return msgspec.structs.replace(
        config,
        data={key: value for key, value in config.data.items() if key != "path"},
        device=msgspec.structs.replace(config.device, profile=""),
    )


def write_pipeline(folder: Path, config: PipelineConfig, data: str | None) -> None:
    """Write the pipeline of the study to its folder.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomic(folder / KEPT, msgspec.json.encode(StoredPipeline(pipeline=config, data=data)))


def read_pipeline(folder: Path) -> StoredPipeline:
    """Read the pipeline of the study from its folder.

    Raises:
        InputError: the file is absent or damaged.
    """
    try:
        return msgspec.json.decode((folder / KEPT).read_bytes(), type=StoredPipeline)
    except (OSError, msgspec.DecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error).replace("`", "'")
        raise InputError(
            "the pipeline of a study", text or "nothing", str(folder / KEPT), "Restore it with --resume"
        ) from None


def resume_checked(folder: Path, own: Identity, config: PipelineConfig) -> Study:
    """Open a study to continue it.

    Args:
        folder: folder of the study.
        own: requested identity.
        config: requested pipeline.

    Raises:
        InputError: there is no study, or it has another identity; the error names the difference.
    """
    found = read_identity(folder)
    same = found.config == own.config
    changed: list[str] = []
    if not same:
        try:
            changed = changes(read_pipeline(folder).pipeline, config)
        except InputError:
            changed = ["unknown changes"]
        # Another version can hash the same pipeline differently, so the contents decide.
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
    """Return the keys in which pipelines differ with both values: 'training.epochs (3, now 5)'; paths are ignored."""
    old, new = (dict(flat_settings(msgspec.to_builtins(without_paths(config)))) for config in (before, now))
    differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [f"{key} ({_short(old, key)}, now {_short(new, key)})" for key in differing]


def _short(values: dict[str, str], key: str) -> str:
    text = values.get(key, "not set")
    return text if len(text) <= 30 else f"{text[:29]}…"


def _limits(budget: str) -> object:
    """Return the parsed limits of a budget; None for the limits of the device."""
    return parse_budget(budget) if budget else None
