"""A fitted forecaster as C99: values in, forecasts with intervals out, no heap, no library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier, number, template_comment
from edgewright.monitor.forecaster import HIGHEST, LOWEST, NARROWEST, ForecasterFile, anchors, paces

C = parts(__file__, "forecast.c")
_H = parts(__file__, "forecast.h")
HEADER = _H["title"] + guarded("@@_FORECAST_H", "<stdint.h>", _H["header"])


def write_forecaster_c99(forecaster: ForecasterFile, *, name: str) -> dict[str, str]:
    """Return a forecaster as a header and a source file; it answers as `Forecaster` does, in float32.

    Args:
        forecaster: as read from its file.
        name: of the files, and prefix of every name in them.

    Returns:
        File name -> text: NAME_forecast.h and NAME_forecast.c.

    Raises:
        InputError: for a name that C does not take.
    """
    spec, model = forecaster.spec, forecaster.spec.model
    levels = max(len(spec.levels), 1)
    tables = _tables(forecaster)
    flash, ram = memory_of(forecaster)
    header = filled(HEADER, **{
        "column": template_comment(spec.column), "name": template_comment(spec.name),
        "lags": tables["lags"].size, "horizon": spec.horizon,
        "held": max(model.reach, 1), "parts": len(model.parts),
        "anchors": tables["anchors"].size, "waiting": int(tables["anchors"].sum()),
        "steps": "    float steps[@@_FORECAST_HORIZON];\n" if model.difference else "",
        "ram": ram, "flash": flash, "levels": levels,
        "told": ", ".join(f"{level:g} %" for level in spec.levels) or "none was requested: both are the forecast",
        "libm": "; exp and log are the library's" if model.scale == "log" else "",
    })  # fmt: skip
    kinds = {key: "int32_t" if table.dtype == np.int32 else "float" for key, table in tables.items()}
    blocks = [
        f"static const {kinds[key]} @_{key}[{table.size}] = {{\n{entries(table)}\n}};"
        for key, table in tables.items()
        if table.size
    ]
    files = {f"{identifier(name)}_forecast.h": header, f"{name}_forecast.c": _source(forecaster, "\n\n".join(blocks))}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in files.items()}


def memory_of(forecaster: ForecasterFile) -> tuple[int, int]:
    """Return bytes of its tables and of its static memory, as the header tells them."""
    model, tables = forecaster.spec.model, _tables(forecaster)
    numbers = max(model.reach, 1) + forecaster.spec.horizon * (len(model.parts) + model.difference) + 4
    # Of each anchor a slot and its scales; of each forecast that waits its value and its widths.
    numbers += tables["anchors"].size + tables["within"].size
    numbers += int(tables["anchors"].sum()) * (1 + max(len(forecaster.spec.levels), 1))
    return sum(table.nbytes for table in tables.values()), 4 * numbers


def _tables(forecaster: ForecasterFile) -> dict[str, NDArray[np.generic]]:
    """Return constants by name, as they are stored; where there is no interval, one of the width 0."""
    spec, model = forecaster.spec, forecaster.spec.model
    parts, none = model.parts, not spec.levels
    within, beyond = paces(spec.levels or (100.0,), spec.horizon)
    tables: dict[str, NDArray[np.generic]] = {
        "start": np.asarray(forecaster.state, np.float32),
        "weights": np.asarray([w for part in parts for w in part.weights], np.float32),
        "lags": np.asarray([lag for part in parts for lag in part.lags], np.int32),
        "from": np.cumsum([0, *(len(part.lags) for part in parts)]).astype(np.int32),
        "bias": np.asarray([part.bias for part in parts], np.float32),
        "share": np.asarray([part.share for part in parts], np.float32),
        "widths": np.zeros(spec.horizon, np.float32)
        if none
        else np.maximum(np.asarray(forecaster.widths, np.float32), np.float32(NARROWEST)).ravel(),
        "anchors": anchors(spec.horizon).astype(np.int32), "within": within.ravel(), "beyond": beyond.ravel(),
    }  # fmt: skip
    if not model.reach:
        del tables["from"]
    return tables


def _source(forecaster: ForecasterFile, tables: str) -> str:
    """Return its text, with @ for the prefix of names.

    Args:
        forecaster: the forecaster.
        tables: definitions of the constants.
    """
    model = forecaster.spec.model
    reach, logs = model.reach, model.scale == "log"
    centre, spread = _double(model.centre), _double(model.spread)
    unscaled = f"(double)u * {spread} + {centre}"
    fresh = "u - context->level" if model.difference else "u"
    sums = {"reach": reach, "array": "steps" if model.difference else "path[part]"}
    return filled(C["source"], **{
        "tables": tables, "reach": reach,
        "copy": f"    memcpy(context->ring, @_start, {reach}u * sizeof *@_start);\n" if reach else "",
        "parts": len(model.parts),
        "sum": filled(C["sum"], **sums) if reach else "    (void)ahead;\n",
        "unused": "" if reach else "    (void)context;\n",
        "add": "    z = level + z;\n" if model.difference else "    (void)level;\n",
        "low": number(model.low), "high": number(model.high),
        "back": f"    const double level = {unscaled};\n    return exp(level < 700.0 ? level : 700.0);"
        if logs
        else f"    return {unscaled};",
        "positive": " && value > 0.0" if logs else "", "taken": "log(value)" if logs else "value",
        "centre": centre, "spread": spread,
        "keep": f"    context->ring[context->next] = {fresh};\n    context->next = (context->next + 1u) % {reach}u;\n"
        if reach
        else "",
        "remember": "            context->steps[h] = u - level;\n" if model.difference else "",
        "anchors": len(anchors(forecaster.spec.horizon)), "lowest": number(LOWEST), "highest": number(HIGHEST),
    })  # fmt: skip


def _double(value: float) -> str:
    """Return a float64 constant that reads back as the same bits."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text
