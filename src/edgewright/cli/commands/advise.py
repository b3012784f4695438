"""`edgewright advise`: the five design steps on own data, with a decision record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.own_data import DataOptions, ask_all
from edgewright.core.errors import CHECK_SAID_NO, DONE


@dataclass(frozen=True, kw_only=True)
class AdviceOptions(DataOptions):
    """Options of the command."""

    data: str = argument()
    path: str | None = option("--data", metavar="PATH", help="Data of the pipeline that DATA names.")
    task: str = option(
        default="auto", help="classification, regression, anomaly, forecasting, intent, retrieval or pictures."
    )
    radio: str = option(
        metavar="LINK", help="ble, wifi, lte-m, lorawan or ethernet; the device's usual one by default."
    )
    need: str = option(
        metavar="NEEDS",
        help="latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y,flash=64kB,ram=16kB,score=0.9",
    )
    price: str = option(
        metavar="FIGURES", help="Figures for the cost calculation: bandwidth=0.5,cell=9000J; the record lists them all."
    )
    mains: bool = option(help="The device has mains power.")
    interactive: bool = option(help="Ask for what is not given; Enter takes the default.")
    out: Path | None = option(metavar="DIR", help="New folder. [default: advice/NAME]")


@declare(example="readings.csv --target occupied --time date --device nrf52840 --need offline,battery=1y", spreads=True)
def command(options: AdviceOptions) -> Result:
    """Recommend the simplest approach for DATA (a file, a folder, a pipeline) and where a model should run.

    A report over the race: the task, the constraints, what rules without ML reach, the simplest model that is as good
    as the best, and whether a more complex one pays. Writes a decision record (advice.md, advice.html, advice.json)
    into a new folder. Exits with 1 if the needs cannot be met; the record then states by how much.
    """
    with loading():
        from edgewright.advice.figures import load_radio, parse_needs, parse_prices, usual_radio
        from edgewright.advice.report import AdviceRequest, advice_blocks, advise, stored
        from edgewright.cli.listeners import working
        from edgewright.profiles.catalogue import load_profile
        from edgewright.profiles.footprint import takes_programs

    data = options.data_request(options.data)
    needs = options.need
    if options.interactive:
        from edgewright.cli.options import ask

        data = ask_all(data)
        needs = needs or ask("what it needs (latency=5ms,offline,privacy,battery=1y,...)", "", _needs)
    profile = load_profile(data.device or "cortex-m4")
    radio = options.radio or usual_radio(profile, takes_programs(profile))
    load_radio(radio)
    request = AdviceRequest(
        data=replace(data, task="auto"), pipeline_data=options.path, task=options.task, radio=radio,
        needs=parse_needs(needs), prices=parse_prices(options.price, radio), mains=options.mains,
    )  # fmt: skip
    record, files = advise(request, working(stderr=True).doing)
    path = stored(options.out, record, files)
    names = ", ".join(["advice.md", "advice.html", "advice.json", *files])
    wrote = f"wrote {click.format_filename(path)}: {names}"
    return Result(record, [*advice_blocks(record), wrote], code=DONE if record.met else CHECK_SAID_NO)


def _needs(text: str) -> str:
    from edgewright.advice.figures import parse_needs

    parse_needs(text)
    return text
