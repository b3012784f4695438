"""Peers of the forecasts, run by the interpreter that EDGEWRIGHT_PEERS names: a virtual environment with statsforecast.

Reads a JSON line a series ({"values", "horizon", "season"}), answers a line: name -> [forecasts, CPU seconds].
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Each method on one series."""
    models: Any = importlib.import_module("statsforecast.models")
    numpy: Any = importlib.import_module("numpy")
    values, season = numpy.array(request["values"]), request["season"]
    forecasts = {}
    for name in ("SeasonalNaive", "Theta", "AutoETS"):
        method = getattr(models, name)(season_length=season)
        began = time.process_time()
        forecast = method.forecast(y=values, h=request["horizon"])["mean"]
        forecasts[name] = [forecast.tolist(), time.process_time() - began]
    return forecasts


def main() -> None:
    """Until its input ends; the first answer is asked twice, so that nothing is compiled within a measurement."""
    first = True
    for line in sys.stdin:
        request = json.loads(line)
        if first:
            answer(request)
            first = False
        print(json.dumps(answer(request)), flush=True)


if __name__ == "__main__":
    main()
