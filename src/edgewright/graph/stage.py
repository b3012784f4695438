"""Interface of a stage file: its configuration, and how a stage is built, stored, explained and written as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from edgewright.graph.builder import Builder
from edgewright.schema.errors import InputError

Shape = tuple[int, ...]


class StageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every stage's configuration: the table under `[[stages]]` without its `kind`."""


@dataclass(frozen=True)
class Context:
    """Facts about the data that are available when a stage is built.

    Attributes:
        shape: shape of one input sample: (columns,), or (channels, samples) for windows.
        names: names of the input columns or channels.
        units: unit of each column or channel; empty if unknown.
        rate: samples per second; None for a table.
        task: 'classification' or 'regression'.
        seed: seed of the run.
    """

    shape: Shape
    names: tuple[str, ...]
    units: tuple[str, ...]
    rate: float | None
    task: str
    seed: int


C = TypeVar("C", bound=StageConfig)


@dataclass(frozen=True)
class Stage(Generic[C]):
    """The one object `STAGE` of a stage's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct; its docstring and fields become the reference in `docs/`.
        build: makes the unfitted scikit-learn estimator.
        state: fitted attributes that are stored (arrays, numbers, text, lists and dicts of these) and restored.
        why: one sentence for the trace: the purpose of this stage, with the numbers of the fitted estimator.
        formula: how an output is computed, in plain text.
        title: title of its card, such as 'PCA'; empty derives it from the file name.
        read_back: arguments of an estimator and its context -> keys of the table for other arguments; None if
            the arguments are the keys. What a table cannot say is found by building it again.
        taught: learns the target as a model does, from training samples without those that validate.
    """

    config: type[C]
    build: Callable[[C, Context], Any]
    state: tuple[str, ...]
    why: Callable[[Any], str]
    formula: str = ""
    title: str = ""
    read_back: Callable[[Mapping[str, Any], Context], Mapping[str, Any]] | None = None
    taught: bool = False


@runtime_checkable
class Emitting(Protocol):
    """A stage that can write itself as ONNX."""

    def to_graph(self, builder: Builder, value: str) -> str:
        """Append the operators of this stage after `value` and return the name of its output."""


_EMITTERS: dict[str, Callable[[Any, Builder, str], str]] = {}


def emits(*names: str) -> Callable[[Callable[[Any, Builder, str], str]], Callable[[Any, Builder, str], str]]:
    """Register the emitter of classes of another library by `names_of`, so that the library need not be imported."""

    def register(function: Callable[[Any, Builder, str], str]) -> Callable[[Any, Builder, str], str]:
        _EMITTERS.update(dict.fromkeys(names, function))
        return function

    return register


def names_of(estimator: object) -> list[str]:
    """Return library and name of the classes of an estimator, such as 'sklearn.SimpleImputer', its own first."""
    return [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(estimator).__mro__]


def emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - any estimator may come
    """Append the operators of a fitted estimator after `value`.

    Raises:
        InputError: when the estimator has neither a `to_graph` method nor a registered emitter.
    """
    if isinstance(estimator, Emitting):
        return estimator.to_graph(builder, value)
    for name in names_of(estimator):
        if name in _EMITTERS:
            return _EMITTERS[name](estimator, builder, value)
    raise InputError(
        "a stage with an ONNX form",
        type(estimator).__name__,
        do="Give it a method to_graph(builder, value) that returns the name of its output",
    )
