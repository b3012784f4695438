"""Which fitted programs a program belongs to, and whether it is one of them at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgewright.profiles.cores import Core, weighed
from edgewright.schema.footprint import DETECTOR, DUAL, LANES, OWN_FLOATS, Program
from edgewright.schema.profile import Profile

# Networks with LSTM or GRU layers, whose loops have kinds of their own.
RECURRENT = "recurrent network"
# Programs that count patterns in windows.
KERNELS = "program of kernels"
# Kernel machines, and models on the spectrum of a sound.
MACHINES = "kernel machine or sound"
_KERNEL = re.compile(rf"({OWN_FLOATS} )?kernel ")
_MACHINE = re.compile(rf"({OWN_FLOATS} )?call expf$|{OWN_FLOATS} call runs$")
_STATE = re.compile(rf"({OWN_FLOATS} )?(lstm|gru) ")
# Loops cost what they cost, however often they turn; so many times the longest program that was fitted on is another.
_LONGER = 10.0


@dataclass(frozen=True)
class Population:
    """Programs whose past misses say how far off an estimate may be.

    Attributes:
        kind: of `profiles.misses`.
        flash, ram: exact bytes that no miss is relative to.
    """

    kind: str
    flash: int
    ram: int


def population_of(profile: Profile, program: Program) -> Population:
    """Return the population of fitted programs that a program belongs to."""
    kinds = set(program.run)
    if of_detector(program):
        sort = DETECTOR
    elif any(map(_STATE.match, kinds)):
        sort = RECURRENT
    elif any(map(_KERNEL.match, kinds)):
        sort = KERNELS
    elif any(map(_MACHINE.match, kinds)):
        sort = MACHINES
    elif any(kind.startswith(f"{DUAL} ") for kind in kinds):
        sort = "network for two multipliers"
    elif any(kind.startswith(f"{LANES} ") for kind in kinds):
        sort = "network for vectors"
    elif any(kind.startswith("Conv ") for kind in kinds):
        sort = "float convolution"
    else:
        own = any(kind.startswith(f"{OWN_FLOATS} ") for kind in kinds)
        plain = {kind.removeprefix(f"{OWN_FLOATS} ") for kind in kinds}
        network = "call dense" in plain or any(kind.endswith(" step") for kind in plain)
        sort = f"{'network' if network else 'smaller program'}{' of windows' if own else ''}"
    return Population(f"{profile.core or profile.name} {sort}", program.constants, program.values)


def of_detector(program: Program) -> bool:
    """Return whether a program is a detector."""
    return any(kind.startswith(f"{DETECTOR} ") for kind in program.run)


def strange(table: Core, program: Program) -> str:
    """Why a program is none of those that a core's coefficients were fitted on; empty where it is one of them."""
    unseen = [kind for kind in program.run if kind not in table.instructions]
    unseen += [kind for kind in program.written if kind not in table.code and kind not in unseen]
    if unseen:
        more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
        return f"no program that estimates were fitted on has {unseen[0]!r}{more}"
    if weighed(table.instructions, program.run) > _LONGER * table.longest:
        return f"it runs more than {_LONGER:g} times as long as any program that estimates were fitted on"
    return ""
