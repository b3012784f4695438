"""A fitted forecaster as C99: values in, forecasts with intervals out, no heap, no library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import entries, identifier, template_comment
from edgewright.export.c99_forecast.source import source
from edgewright.monitor.forecasting.forecaster_file import ForecasterFile

_HEADER = """\
/* Forecasts of %(column)s: %(name)s, %(lags)d lags, %(horizon)d rows ahead.
 * Memory: %(ram)d bytes of RAM in the caller's context, %(flash)d bytes of tables. No heap. Compile with
 * -ffp-contract=off for the same bits as Python%(libm)s. */
#ifndef @@_FORECAST_H
#define @@_FORECAST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @@_FORECAST_HORIZON %(horizon)d
#define @@_FORECAST_LEVELS %(levels)d

/* A forecast of one row: its value, and the ends of each interval (%(told)s). */
typedef struct {
    double middle;
    double low[@@_FORECAST_LEVELS];
    double high[@@_FORECAST_LEVELS];
} @_forecast_row;

/* What is remembered. */
typedef struct {
    float level;
    uint32_t next;
    uint32_t stale;
    float ring[%(held)d];
    float path[%(parts)d][@@_FORECAST_HORIZON];
%(steps)s} @_forecast_context;

/* Begins at the last row of the data it was fitted on: to be called first, and to go back there. */
void @_forecast_init(@_forecast_context *context);

/* The next row's value; NAN where it is missing: it then counts as what was foretold for it. */
void @_forecast_push(@_forecast_context *context, double value);

/* Forecasts the next `rows` rows, 1 to @@_FORECAST_HORIZON, and gives how many that are; 0 for another number. */
int @_forecast(@_forecast_context *context, int rows, @_forecast_row *out);

/* Rows without a value since the last one that had one. */
uint32_t @_forecast_stale(const @_forecast_context *context);

#ifdef __cplusplus
}
#endif

#endif
"""


def write_forecaster_c99(made: ForecasterFile, *, name: str) -> dict[str, str]:
    """A forecaster as a header and a source file; it answers as `Forecaster` does, in float32.

    Args:
        made: as read from its file.
        name: of the files, and prefix of every name in them.

    Returns:
        File name -> text: NAME_forecast.h and NAME_forecast.c.

    Raises:
        InputError: for a name that C does not take.
    """
    spec, model = made.spec, made.spec.model
    levels = max(len(spec.levels), 1)
    tables = _tables(made)
    flash, ram = memory_of(made)
    header = _HEADER % {
        "column": template_comment(spec.column), "name": template_comment(spec.name),
        "lags": tables["lags"].size, "horizon": spec.horizon,
        "held": max(model.reach, 1), "parts": len(model.parts),
        "steps": "    float steps[@@_FORECAST_HORIZON];\n" if model.difference else "",
        "ram": ram, "flash": flash, "levels": levels,
        "told": ", ".join(f"{level:g} %" for level in spec.levels) or "none was asked for: both are the forecast",
        "libm": "; exp and log are the library's" if model.scale == "log" else "",
    }  # fmt: skip
    if not spec.levels:
        del tables["widths"]
    kinds = {key: "int32_t" if table.dtype == np.int32 else "float" for key, table in tables.items()}
    blocks = [
        f"static const {kinds[key]} @_{key}[{table.size}] = {{\n{entries(table)}\n}};"
        for key, table in tables.items()
        if table.size
    ]
    files = {f"{identifier(name)}_forecast.h": header, f"{name}_forecast.c": source(made, "\n\n".join(blocks))}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in files.items()}


def memory_of(made: ForecasterFile) -> tuple[int, int]:
    """Bytes of its tables and of its static memory, as the header tells them."""
    model = made.spec.model
    ram = 4 * (max(model.reach, 1) + made.spec.horizon * (len(model.parts) + model.difference) + 3)
    return sum(table.nbytes for table in _tables(made).values()), ram


def _tables(made: ForecasterFile) -> dict[str, NDArray[np.generic]]:
    """Constants by name, as they are stored; widths of no interval are left out when they are written."""
    model = made.spec.model
    parts = model.parts
    tables: dict[str, NDArray[np.generic]] = {
        "start": np.asarray(made.state, np.float32),
        "weights": np.asarray([w for part in parts for w in part.weights], np.float32),
        "lags": np.asarray([lag for part in parts for lag in part.lags], np.int32),
        "from": np.cumsum([0, *(len(part.lags) for part in parts)]).astype(np.int32),
        "bias": np.asarray([part.bias for part in parts], np.float32),
        "share": np.asarray([part.share for part in parts], np.float32),
        "widths": np.asarray(made.widths, np.float32).ravel(),
    }
    if not model.reach:
        del tables["from"]
    return tables
