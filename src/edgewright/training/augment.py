"""Changed copies of training windows, as the tables of `training.augment` ask for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find
from edgewright.core.toml_tables import convert_table
from edgewright.schema.errors import InputError
from edgewright.training.contract import Augmentation, AugmentationConfig, Floats

Prepared = tuple[Augmentation[Any], AugmentationConfig]


def prepare(tables: tuple[dict[str, Any], ...]) -> tuple[Prepared, ...]:
    """Find and check the augmentations.

    Raises:
        InputError: for a table without a kind, an unknown kind or an unknown key.
    """
    prepared: list[Prepared] = []
    for number, table in enumerate(tables):
        where = f"training.augment[{number}]"
        rest = dict(table)
        if "kind" not in rest:
            raise InputError("a key 'kind'", ", ".join(rest) or "an empty table", where)
        augmentation = find(
            "edgewright.training.augmentations", str(rest.pop("kind")), "AUGMENTATION", "augmentation", where
        )
        prepared.append((augmentation, convert_table(rest, augmentation.config, where)))
    return tuple(prepared)


def augmented(tables: tuple[dict[str, Any], ...], windows: Floats, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return the windows and after them the copies of each table in order.

    Args:
        tables: each with its `kind`, a file of `augmentations`.
        windows: shape (n, channels, samples).
        seed: of everything random.

    Returns:
        Windows of shape (n + copies, channels, samples), and of each the number of the window it was made from.

    Raises:
        InputError: for rows that are not windows.
    """
    origin = np.arange(len(windows), dtype=np.int64)
    if not tables:
        return windows, origin
    if windows.ndim != 3:
        raise InputError("windows of shape (channels, samples)", f"shape {windows.shape[1:]}", "training.augment")
    rng = np.random.default_rng([seed, 0xA6])
    parts, origins = [windows], [origin]
    for augmentation, config in prepare(tables):
        for _ in range(config.copies):
            parts.append(np.asarray(augmentation.apply(config, windows, rng), np.float32))
            origins.append(origin)
    return np.concatenate(parts), np.concatenate(origins)
