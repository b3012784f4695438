"""`edgewright synth worth`: what a method is worth, on real people who were left out."""

from __future__ import annotations

import click

from edgewright.cli.synth._options import data_and_method

_EXAMPLE = (
    "Example: edgewright synth worth walk.csv --target activity --group person --time t --method rotation --window 100"
)


@click.command("worth", epilog=_EXAMPLE)
@data_and_method
@click.option("--window", type=click.IntRange(8), required=True, help="Rows in a window.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Take each so manieth window.")
@click.option("--people", type=click.IntRange(0), default=0, help="That train in each fold, drawn anew. [default: all "
              "who are not tested]")  # fmt: skip
@click.option("--folds", type=click.IntRange(2, 100), default=5, show_default=True, help="Parts of the people.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    data: str,
    kind: str,
    target: str,
    group: str,
    session: str,
    time: str,
    ignore: tuple[str, ...],
    method: str,
    options: tuple[str, ...],
    copies: int,
    seed: int,
    window: int,
    every: int,
    people: int,
    folds: int,
    as_json: bool,
) -> None:
    """Train with and without synthetic windows of DATA and test both on real people who were left out.

    The interval draws whole people anew. Exit code 0 whatever comes out: that a method is worth nothing is an answer.
    """
    from edgewright.cli.interrupt import loading
    from edgewright.cli.synth._options import read, values

    with loading():
        import msgspec

        from edgewright.language.synthesis.utility_test import worth
        from edgewright.language.synthesis.windows import windows_of

    named = {"target": target, "group": group, "session": session, "time": time, "ignore": list(ignore)}
    samples = windows_of(read(data, kind, named), window, every)
    found = worth(samples, method, values(options), copies=copies, people=people, folds=folds, seed=seed)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    trained = f"{people} people" if people else "all others"
    real = f"{found.windows:,} real windows of {found.people} people"
    click.echo(f"Simulated copies beside {real}, {found.folds} folds, trained on {trained}")
    for said, figure in (("without", found.without), (f"with {method}", found.beside)):
        click.echo(
            f"  {said:<16} {100 * figure.value:5.1f} % right ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
        )
    gain = found.gain
    clear = "a gain" if gain.low > 0 else "does harm" if gain.high < 0 else "none that could be told"
    click.echo(
        f"  {'difference':<16} {100 * gain.value:+5.1f} points "
        f"({100 * gain.low:+.1f} to {100 * gain.high:+.1f}): {clear}"
    )


COMMAND = command
