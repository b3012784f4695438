"""Several kinds of features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from edgewright.core.catalogue import find
from edgewright.core.errors import StageSettingsError
from edgewright.core.toml_tables import convert_table
from edgewright.graph.builder import Term, Value, join
from edgewright.graph.stage import CHUNK_VALUES, Context, Floats, SampleTransformer, Stage, StageConfig, emit, require

Part = tuple[str, Any, tuple[str, ...]]


class UnionConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stages of features that all see the same samples; their outputs stand side by side.

    Attributes:
        parts: each a table with its `kind`, as under [[stages]]; only kinds of `features`.
    """

    parts: tuple[dict[str, Any], ...]


@dataclass(eq=False, repr=False)
class Union(SampleTransformer):
    """Outputs of several transformers, joined column by column.

    Args:
        parts: (kind, unfitted transformer, names of its state) of each.
        names: of the columns or channels.

    Attributes:
        parts_: the fitted transformers.
    """

    kind = "union"
    takes = (1, 2, 3)

    parts_: list[Any] = field(init=False)

    parts: tuple[Part, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def taught(self) -> bool:
        """Whether a part learns the target as a model does."""
        return any(find("edgewright.features", kind, "STAGE", "features stage").taught for kind, _, _ in self.parts)

    @property
    def states_(self) -> list[dict[str, Any]]:
        """Fitted state of each part; setting it restores the parts."""
        return [
            {name: getattr(part, name) for name in names}
            for part, (_, _, names) in zip(self.parts_, self.parts, strict=True)
        ]

    @states_.setter
    def states_(self, states: Sequence[dict[str, Any]]) -> None:
        self.parts_ = [clone(part) for _, part, _ in self.parts]
        for part, state in zip(self.parts_, states, strict=True):
            for name, value in state.items():
                setattr(part, name, value)

    def transform(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and frames
        """Return the parts' outputs side by side, a few samples at a time."""
        samples = self._arrived(X)
        step = max(1, CHUNK_VALUES // max(1, int(np.prod(samples.shape[1:]))))
        rows = []
        for start in range(0, max(1, len(samples)), step):
            chunk = samples[start : start + step]
            rows.append(np.concatenate([part.transform(chunk) for part in self.parts_], axis=1, dtype=np.float32))
        return np.concatenate(rows)

    def formula(self, x: Value) -> Value:
        """Return the parts' terms, joined."""
        if not isinstance(x, Term):
            return self.transform(x)
        return join([Term(x.builder, emit(part, x.builder, x.name)) for part in self.parts_], 1)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - labels or numbers
        if not self.parts:
            raise StageSettingsError("at least one part", "none", self._where())
        self.parts_ = []
        for kind, part, _ in self.parts:
            if X.ndim - 1 not in part.takes:
                raise StageSettingsError(f"samples that {kind!r} takes", f"an array of shape {X.shape}", self._where())
            fitted = clone(part).fit(X, y)
            shape = fitted.transform(X[:1]).shape
            if len(shape) != 2:
                raise StageSettingsError(
                    "parts that give rows of features", f"windows from {kind!r}", self._where(), _FLAT
                )
            self.parts_.append(fitted)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        out = [[str(name) for name in part.get_feature_names_out(names)] for part in self.parts_]
        flat = [name for part in out for name in part]
        if len(set(flat)) == len(flat):
            return flat
        # two parts of one kind may give equal names: the number of the part tells them apart
        return [f"{name} ({number})" for number, part in enumerate(out, 1) for name in part]


_FLAT = "Set flatten = true there"


def _build(config: UnionConfig, context: Context) -> Union:
    require(context, "union", (1, 2, 3))
    if not config.parts:
        raise StageSettingsError("at least one part", "none", "stage union, key parts")
    parts = []
    for number, table in enumerate(config.parts, 1):
        where = f"stage union, part {number}"
        kind = table.get("kind")
        if not isinstance(kind, str):
            raise StageSettingsError("a table with its `kind`", f"{sorted(table)}", where)
        stage: Stage[Any] = find("edgewright.features", kind, "STAGE", "features stage", where)
        rest = {key: value for key, value in table.items() if key != "kind"}
        settings = convert_table(rest, stage.config, f"{where} ({kind})")
        parts.append((kind, stage.build(settings, context), tuple(stage.state)))
    return Union(parts=tuple(parts), names=context.names)


def _why(estimator: Union) -> str:
    kinds = ", ".join(kind for kind, _, _ in estimator.parts)
    return f"Feature kinds complement each other: {kinds} give {len(estimator.get_feature_names_out())} in all."


STAGE = Stage(
    config=UnionConfig, build=_build, state=("shape_", "states_"), why=_why, formula="y = [part 1, part 2, ...]"
)
