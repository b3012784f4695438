"""Everything needed to build the same bytes again."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata

import msgspec

from edgewright.pipeline.material import Material
from edgewright.schema.config import PipelineConfig
from edgewright.schema.trace import Provenance

_LIBRARIES = ("edgewright", "numpy", "jax", "optax", "scikit-learn", "onnx", "onnxruntime")


def config_hash(config: PipelineConfig) -> str:
    """SHA-256 of the checked configuration, defaults included, without the place its data lie at.

    The data have a hash of their own, and the same run in another folder must give the same package.
    """
    data = {key: value for key, value in config.data.items() if key != "path"}
    placeless = msgspec.structs.replace(config, data=data)
    return hashlib.sha256(msgspec.json.encode(placeless, order="deterministic")).hexdigest()


def provenance(config: PipelineConfig, material: Material, *, command: str, started: str, package: str) -> Provenance:
    """The record's last section.

    Args:
        config: of the run.
        material: its samples.
        command: as it was typed.
        started: time in UTC, ISO 8601.
        package: SHA-256 of the package, empty when it was refused.
    """
    dataset = material.dataset
    return Provenance(
        command=command,
        seed=config.seed,
        config_hash=config_hash(config),
        data_hash=material.sha256,
        versions={name: _version(name) for name in _LIBRARIES},
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        licences=tuple(text for text in (dataset.licence,) if text),
        origin=dataset.origin,
        citation=dataset.citation,
        started=started,
        package_hash=package,
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
