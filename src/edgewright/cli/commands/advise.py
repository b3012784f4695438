"""`edgewright advise`: the five steps on one's own data, measured, with a decision record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.window_options import window_asked, window_target

if TYPE_CHECKING:
    from edgewright.search.advise.contract import AdviceRequest

_EPILOG = (
    "Example: edgewright advise readings.csv --target occupied --time date --device nrf52840 --need offline,battery=1y"
)


@click.command("advise", epilog=_EPILOG)
@click.argument("data")
@click.option("--target", default="", help="Column that is to be predicted; none where there are no labels.")
@click.option("--group", default="", help="Column with the person or machine of a row; folds keep them whole.")
@click.option("--session", default="", help="Column with the session of a row.")
@click.option("--time", default="", help="Column with the time of a row; folds keep days or blocks whole.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column that is known before the target is.")
@click.option("--kind", default="", help="Source or public set; judged by the path when left out.")
@click.option("--data", "path", metavar="PATH", help="Data of a pipeline, where DATA names one (hapt, a TOML file).")
@click.option("--window", type=click.IntRange(min=2), help="Rows in a window; judged by the rate when left out.")
@click.option("--step", type=click.IntRange(min=1), help="Rows from one window to the next; half a window without.")
@window_target
@click.option("--leave-out", default="", metavar="A,B", help="Groups that nothing sees: a run reports on them.")
@click.option("--by", type=click.Choice(["auto", "row", "block"]), default="auto", show_default=True,
              help="What folds keep whole: 'row' says that rows are independent.")  # fmt: skip
@click.option("--task", default="auto", show_default=True,
              help="classification, regression, clustering, anomaly, forecasting, intent or retrieval.")  # fmt: skip
@click.option("--metric", default="", help="accuracy, balanced-accuracy, macro-f1, average-precision, mae, rmse.")
@click.option("--device", default="", metavar="PROFILE", help="Where it is to run: a profile or TOML file. "
              "[default: cortex-m4]")  # fmt: skip
@click.option("--radio", default="", metavar="LINK", help="ble, wifi, lte-m, lorawan or ethernet; the device's usual "
              "one when left out.")  # fmt: skip
@click.option("--need", "need", default=None, metavar="NEEDS",
              help="latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y,flash=64kB,ram=16kB,"
              "score=0.9")  # fmt: skip
@click.option("--price", default="", metavar="FIGURES", help="Figures of the arithmetic: bandwidth=0.5,cell=9000J; the "
              "record lists all.")  # fmt: skip
@click.option("--mains", is_flag=True, help="The device needs no cell.")
@click.option("--curve/--no-curve", default=None, help="Measure what twice the data is worth; where cheap by default.")
@click.option("--interactive", is_flag=True, help="Ask what was not given; Enter takes the default.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="New folder. [default: advice/NAME]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(interactive: bool, out: Path | None, as_json: bool, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Frame DATA (a file, a folder, a pipeline), weigh where a model should run, measure how simple it may be.

    Writes a decision record (advice.md, advice.html, advice.json) into a new folder. Exit code 1 where the needs
    cannot be met: by how much, and what comes nearest, is said.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        from edgewright.cli.advice_output import advice_lines, stored
        from edgewright.cli.progress import Working
        from edgewright.cli.show import Quiet
        from edgewright.cli.terminal import Terminal
        from edgewright.schema.advice import encode_advice
        from edgewright.schema.errors import CHECK_SAID_NO, DONE
        from edgewright.search.advise.workflow import advise

    if interactive:
        _questions(options)
    asked = _asked(options)
    listener = Quiet() if as_json else Working(Terminal(stderr=True))
    record = advise(asked, listener.doing, listener.ahead)
    place = stored(out, record)
    if as_json:
        sys.stdout.buffer.write(encode_advice(record))
    else:
        for line in advice_lines(record):
            click.echo(line)
        click.echo(f"\nwrote {click.format_filename(place)}: advice.md, advice.html, advice.json")
    return DONE if record.met else CHECK_SAID_NO


def _asked(options: dict[str, Any]) -> AdviceRequest:
    """What the options say.

    Raises:
        InputError: a need, figure, profile or link that is not known; before anything is read.
    """
    from edgewright.profiles.catalogue import load_profile
    from edgewright.profiles.footprint import takes_programs
    from edgewright.search.advise.contract import AdviceRequest
    from edgewright.search.advise.figures import load_radio, parse_prices, usual_radio
    from edgewright.search.advise.needs import parse_needs

    window = window_asked(options, "advise")
    device = options["device"] or "cortex-m4"
    profile = load_profile(device)
    radio = options["radio"] or usual_radio(profile, takes_programs(profile))
    load_radio(radio)
    same = ("data", "path", "target", "group", "session", "time", "ignore", "keep", "kind", "by", "task", "metric",
            "mains", "curve", "seed", "window_target")  # fmt: skip
    return AdviceRequest(
        **{name: options[name] for name in same},
        window=window.samples if window else 0,
        step=(window.step if window else None) or 0,
        held=tuple(name.strip() for name in options["leave_out"].split(",") if name.strip()),
        device=device,
        radio=radio,
        needs=parse_needs(options["need"] or ""),
        prices=parse_prices(options["price"], radio),
    )


def _questions(options: dict[str, Any]) -> None:
    """Asks what was not given, and puts the answers among the options."""
    from edgewright.cli.advice_output import ask
    from edgewright.data.clock import find_time_column
    from edgewright.profiles.catalogue import load_profile
    from edgewright.schema.errors import UnknownNameError
    from edgewright.search.advise.figures import load_radio
    from edgewright.search.advise.inspection import look
    from edgewright.search.advise.needs import parse_needs

    seen = look(options["data"])
    if seen.header:
        click.echo(f"columns: {', '.join(name for name in seen.header if name)}", err=True)

    def column(text: str) -> str:
        if text and text not in seen.header:
            raise UnknownNameError("column", text, [name for name in seen.header if name])
        return text

    def profile(text: str) -> str:
        load_profile(text)
        return text

    def needs(text: str) -> str:
        parse_needs(text)
        return text

    def link(text: str) -> str:
        if text != "usual":
            load_radio(text)
        return "" if text == "usual" else text

    if seen.header:
        time = find_time_column({name: seen.column(name) for name in seen.header})
        for name, question, default in (
            ("target", "which column is to be predicted", ""),
            ("group", "which column names the person or machine", ""),
            ("time", "which column holds the time", time),
        ):
            if not options[name]:
                options[name] = ask(question, default, column)
    if not options["device"]:
        options["device"] = ask("on which device (edgewright profiles lists them)", "cortex-m4", profile)
    if not options["radio"]:
        options["radio"] = ask("by which link (ble, wifi, lte-m, lorawan, ethernet)", "usual", link)
    if options["need"] is None:
        options["need"] = ask("what it needs (latency=5ms,offline,privacy,battery=1y,...)", "", needs)


COMMAND = command
