"""Policies in simulated environments: an environment of Gymnasium by its table, and one episode in it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.jobs.simulation.perceptions import Around, perception
from edgewright.schema.errors import InputError, MissingExtraError, UnknownNameError


class EnvironmentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of an environment.

    Attributes:
        id: by which Gymnasium knows it.
        modules: imported before, so that they register their environments.
        actions: a word for each action, in the environment's order; a shield needs the most careful one first.
        perception: file of `jobs/simulation/perceptions`.
        period: seconds between two decisions.
        options: keywords of `gymnasium.make`.
        conditions: by name, changes of the keyword `config`, such as another traffic.
    """

    id: str
    modules: tuple[str, ...] = ()
    actions: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    perception: str = "plain"
    period: Annotated[float, msgspec.Meta(gt=0)]
    options: dict[str, Any] = {}
    conditions: dict[str, dict[str, Any]] = {}

    def changes(self, condition: str, where: str) -> dict[str, Any]:
        """Return what a condition changes; nothing for an empty name.

        Raises:
            UnknownNameError: listing the known ones.
        """
        if condition and condition not in self.conditions:
            raise UnknownNameError("condition", condition, self.conditions, where)
        return self.conditions.get(condition, {})


class Environment:
    """An environment at work, its observations as a perception reads them.

    Args:
        spec: its table.
        where: the table's file, for messages.
        condition: one of its conditions; as the options say when empty.

    Attributes:
        observation: the newest one, as the environment gives it.

    Raises:
        UnknownNameError: no such condition.
        MissingExtraError: Gymnasium or a module is not installed.
        InputError: Gymnasium does not know it, refuses its options, or it has other actions.
    """

    def __init__(self, spec: EnvironmentSpec, where: str, condition: str = "") -> None:
        self.spec, self._where = spec, where
        options = dict(spec.options)
        if changes := spec.changes(condition, where):
            options["config"] = {**options.get("config", {}), **changes}
        # Nobody looks at a window.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            gymnasium = importlib.import_module("gymnasium")
            for module in spec.modules:
                importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise MissingExtraError("driving", error.name or "gymnasium") from None
        try:
            self.env = gymnasium.make(spec.id, **options)
        except (gymnasium.error.Error, TypeError, ValueError, KeyError) as error:
            raise InputError("an environment of Gymnasium", f"{spec.id!r}: {error}", where) from None
        count = getattr(self.env.action_space, "n", None)
        if count != len(spec.actions):
            got = f"{count} actions" if count is not None else str(self.env.action_space)
            raise InputError(
                f"an environment with the {len(spec.actions)} actions {', '.join(spec.actions)}", got, where
            )
        self._perception = perception(spec.perception, where)
        self._perception.prepare(self.env.unwrapped)
        self.observation = self.env.reset(seed=0)[0]
        self.columns = self._perception.columns(self.observation)

    def reset(self, seed: int) -> NDArray[np.float64]:
        """Begin the episode of a seed; return what is perceived."""
        self.observation = self.env.reset(seed=seed)[0]
        return self._perception.read(self.observation, self.spec.period)

    def step(self, action: int) -> tuple[NDArray[np.float64], float, bool, bool]:
        """Act; return what is perceived, the reward, whether it ended badly, and whether it ended."""
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
        seen = self._perception.read(self.observation, self.spec.period)
        return seen, float(reward), bool(terminated), bool(terminated or truncated)

    def around(self) -> Around | None:
        """Return who drives around the own car; None where the perception does not know."""
        look = self._perception.around
        return None if look is None else look(self.env.unwrapped)

    def give_to_rule(self) -> None:
        """Let the environment's own driver have the car until the episode ends; actions do nothing.

        Raises:
            InputError: the environment has none.
        """
        if self._perception.rule is None:
            raise InputError("a perception whose environment has a driver", self.spec.perception, self._where)
        self._perception.rule(self.env.unwrapped)

    def cut_in(self) -> bool:
        """Send somebody close ahead into the own lane; return whether somebody was there."""
        send = self._perception.cut_in
        return send is not None and send(self.env.unwrapped)


def read_environment(path: Path) -> EnvironmentSpec:
    """Read the table of an environment.

    Raises:
        InputError: it is no TOML, or a key or value does not fit.
    """
    return convert_table(read_toml(path, "an environment"), EnvironmentSpec, path.name)
