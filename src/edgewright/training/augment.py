"""Changed training samples, as the tables of `training.augment` ask for them: copies, or another change an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find
from edgewright.core.toml_tables import convert_table
from edgewright.schema.errors import InputError
from edgewright.training.contract import Augmentation, AugmentationConfig, ChangeConfig, Floats

Prepared = tuple[Augmentation[Any], ChangeConfig]


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


def copying(tables: tuple[dict[str, Any], ...]) -> list[tuple[Augmentation[Any], AugmentationConfig]]:
    """Return the augmentations that make copies, with their configurations."""
    return [(kind, config) for kind, config in prepare(tables) if isinstance(config, AugmentationConfig)]


def with_copies(tables: tuple[dict[str, Any], ...], copies: int) -> tuple[dict[str, Any], ...]:
    """Return the tables with another number of copies, where they make any."""
    augmentations = zip(tables, prepare(tables), strict=True)
    return tuple({**table, "copies": copies} if kind.copies else table for table, (kind, _) in augmentations)


def augmented(tables: tuple[dict[str, Any], ...], windows: Floats, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return changed copies of windows, those of each table in order.

    Args:
        tables: each with its `kind`, a file of `augmentations`; those that change samples in every epoch make none.
        windows: shape (n, channels, samples).
        seed: seed of the random number generators.

    Returns:
        Copies of shape (n, channels, samples), and of each the number of the window it was made from.

    Raises:
        InputError: for rows that are not windows.
    """
    kinds = [(kind, config) for kind, config in copying(tables) for _ in range(config.copies)]
    if kinds and windows.ndim != 3:
        raise InputError("windows of shape (channels, samples)", f"shape {windows.shape[1:]}", "training.augment")
    rng = np.random.default_rng([seed, 0xA6])
    copies = np.empty((len(kinds), *windows.shape), np.float32)
    for number, (kind, config) in enumerate(kinds):
        copies[number] = kind.apply(config, windows, rng)
    origin = np.tile(np.arange(len(windows), dtype=np.int64), len(kinds))
    return copies.reshape(len(origin), *windows.shape[1:]), origin


def changing(tables: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return the tables of those that change samples in every epoch."""
    return tuple(table for table, (kind, _) in zip(tables, prepare(tables), strict=True) if not kind.copies)


class Changes:
    """Augmentations that change samples anew in every epoch.

    Args:
        tables: each with its `kind`.
    """

    def __init__(self, tables: tuple[dict[str, Any], ...]) -> None:
        self._prepared = [(kind, config) for kind, config in prepare(tables) if not kind.copies]

    def changed(self, samples: Floats, rng: np.random.Generator) -> Floats:
        """Return samples of shape (n, channels, ...), each changed by what is drawn."""
        for augmentation, config in self._prepared:
            samples = np.asarray(augmentation.apply(config, samples, rng), np.float32)
        return samples
