"""`edgewright advise`: the five steps on one's own data, measured, with a decision record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import ProblemOptions, listed
from edgewright.schema.errors import CHECK_SAID_NO, DONE, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgewright.search.advise.contract import AdviceRequest


@dataclass(frozen=True, kw_only=True)
class AdviceOptions(ProblemOptions):
    """Options of the command."""

    data: str = argument()
    keep: tuple[str, ...] = option(metavar="COLUMN", help="Column whose value is known before the target's.")
    leave_out: str = option(metavar="A,B", help="Groups to exclude from everything, for a later run to report on.")
    task: str = option(
        default="auto", help="classification, regression, clustering, anomaly, forecasting, intent or retrieval."
    )
    device: str = option(
        metavar="PROFILE", help="Profile or TOML file of the device that the model runs on. [default: cortex-m4]"
    )
    radio: str = option(
        metavar="LINK", help="ble, wifi, lte-m, lorawan or ethernet; the device's usual one by default."
    )
    need: str | None = option(
        metavar="NEEDS",
        help="latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y,flash=64kB,ram=16kB,score=0.9",
    )
    price: str = option(
        metavar="FIGURES", help="Figures for the cost calculation: bandwidth=0.5,cell=9000J; the record lists them all."
    )
    mains: bool = option(help="The device has mains power.")
    curve: bool | None = option(
        "--curve/--no-curve", help="Measure what twice as much data would gain; on by default where it is cheap."
    )
    interactive: bool = option(help="Ask for what is not given; Enter takes the default.")
    out: Path | None = option(metavar="DIR", help="New folder. [default: advice/NAME]")


@declare(example="readings.csv --target occupied --time date --device nrf52840 --need offline,battery=1y")
def command(options: AdviceOptions) -> Result:
    """Recommend the simplest approach for DATA (a file, a folder, a pipeline) and where a model should run.

    Writes a decision record (advice.md, advice.html, advice.json) into a new folder. Exits with 1 if the needs cannot
    be met; the record then says by how much and names the nearest option.
    """
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.search.advise.document import advice_blocks, stored
        from edgewright.search.advise.workflow import advise

    request = _request(_answered(options) if options.interactive else options)
    listener = working(stderr=True)
    record = advise(request, listener.doing, listener.ahead)
    path = stored(options.out, record)
    files = f"wrote {click.format_filename(path)}: advice.md, advice.html, advice.json"
    return Result(record, [*advice_blocks(record), files], code=DONE if record.met else CHECK_SAID_NO)


def _request(options: AdviceOptions) -> AdviceRequest:
    """Return what the options say.

    Raises:
        InputError: a need, figure, profile or link that is not known; before anything is read.
    """
    from edgewright.profiles.catalogue import load_profile
    from edgewright.profiles.footprint import takes_programs
    from edgewright.search.advise.contract import AdviceRequest
    from edgewright.search.advise.figures import load_radio, parse_needs, parse_prices, usual_radio

    window = options.windows("advise")
    device = options.device or "cortex-m4"
    profile = load_profile(device)
    radio = options.radio or usual_radio(profile, takes_programs(profile))
    load_radio(radio)
    same = ("data", "path", "target", "group", "session", "time", "time_unit", "ignore", "skip_bad_rows", "keep",
            "kind", "by", "task", "metric", "mains", "curve", "seed", "window_target")  # fmt: skip
    return AdviceRequest(
        **{name: getattr(options, name) for name in same},
        window=window.samples if window else 0,
        step=(window.step if window else None) or 0,
        held_out=listed(options.leave_out),
        device=device,
        radio=radio,
        needs=parse_needs(options.need or ""),
        prices=parse_prices(options.price, radio),
    )


def _answered(options: AdviceOptions) -> AdviceOptions:
    """Ask what was not given, and return the options with the answers."""
    from edgewright.cli.options import ask
    from edgewright.data.clock import find_time_column
    from edgewright.profiles.catalogue import load_profile
    from edgewright.search.advise.figures import load_radio, parse_needs
    from edgewright.search.advise.inspection import inspect

    seen = inspect(options.data, skip_bad_rows=options.skip_bad_rows)
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

    requested: list[tuple[str, str, str, Callable[[str], str]]] = []
    if seen.header:
        clock = find_time_column({name: cells.tolist() for name, cells in seen.columns.items()})
        requested = [
            ("target", "which column is to be predicted", "", column),
            ("group", "which column names the person or machine", "", column),
            ("time", "which column holds the time", clock, column),
        ]
    requested += [
        ("device", "on which device (edgewright profiles lists them)", "cortex-m4", profile),
        ("radio", "by which link (ble, wifi, lte-m, lorawan, ethernet)", "usual", link),
        ("need", "what it needs (latency=5ms,offline,privacy,battery=1y,...)", "", needs),
    ]
    missing = [one for one in requested if getattr(options, one[0]) in ("", None)]
    answers: dict[str, Any] = {name: ask(question, default, read) for name, question, default, read in missing}
    return replace(options, **answers)
