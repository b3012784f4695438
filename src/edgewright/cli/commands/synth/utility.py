"""`edgewright synth utility`: the utility of a synthesis method, on real people who were left out."""

from __future__ import annotations

from dataclasses import dataclass

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.synth._options import MethodOptions
from edgewright.cli.interrupt import loading
from edgewright.cli.options import settings_of


@dataclass(frozen=True, kw_only=True)
class UtilityOptions(MethodOptions):
    """Options of the command."""

    window: int = option(type=click.IntRange(8), required=True, help="Rows in a window.")
    every: int = option(type=click.IntRange(1), default=1, help="Take every n-th window.")
    people: int = option(type=click.IntRange(0), default=0, help="Training people in each fold; 0 uses all others.")
    folds: int = option(type=click.IntRange(2, 100), default=5, help="Number of folds of people.")


@declare(example="a.csv --target label --group person --time t --method jitter --window 9")
def command(options: UtilityOptions) -> Result:
    """Train with and without synthetic windows of DATA and test both on real, held-out people.

    The interval resamples whole people. The exit code does not depend on the result.
    """
    with loading():
        from edgewright.language.synthesis.utility_test import measure_utility, windows_of

    people, method = options.people, options.method
    utility = measure_utility(
        windows_of(options.read(), options.window, options.every), method, settings_of(options.settings),
        copies=options.copies, people=people, folds=options.folds, seed=options.seed,
    )  # fmt: skip
    trained = f"{people} people" if people else "all others"
    real = f"{utility.windows:,} real windows of {utility.people} people"
    lines = [f"Simulated copies added to {real}, {utility.folds} folds, trained on {trained}"]
    for name, figure in (("without", utility.without), (f"with {method}", utility.with_synthetic)):
        interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        lines.append(f"  {name:<16} {100 * figure.value:5.1f} % right ({interval})")
    gain = utility.gain
    clear = "a gain" if gain.low > 0 else "does harm" if gain.high < 0 else "not significant"
    interval = f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}"
    return Result(utility, [*lines, f"  {'difference':<16} {100 * gain.value:+5.1f} points ({interval}): {clear}"])
