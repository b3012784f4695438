"""Questions on compression and the device: what int8 saves and costs, and the tightest budget."""

from __future__ import annotations

from edgewright.core.formatting import amount, bytes_text, percent, plural, points
from edgewright.schema.trace import BudgetRow, CompressionRecord, Trace, VariantRecord
from edgewright.trace.questions import Draft, rule


@rule("int8_cost")
def int8_cost(trace: Trace) -> Draft | None:
    """Ask where a float and an int8 form stand side by side."""
    record = trace.compression
    if record is None or trace.evaluation is None:
        return None
    whole, small = record.form("float"), record.form("int8")
    if whole is None or small is None or not 0 < small.weight_bytes < whole.weight_bytes:
        return None
    kept = small.weight_bytes / whole.weight_bytes
    saved, cost = percent(1 - kept), _cost(record, small)
    changed = f"{plural(small.flips, 'test sample')} got another class than from the float form."
    if small.accuracy is None:
        changed = "Each weight takes one byte instead of four."
    half = (
        "It saves half of the bytes of weights, as every second weight is removed",
        f"No weight is removed: each is kept in one byte instead of four ({whole.weight_bytes:,} B -> "
        f"{small.weight_bytes:,} B).",
    )
    same = (
        f"It saves {saved} of the bytes of weights and changes no answer",
        f"{plural(small.flips, 'test sample')} of {trace.evaluation.samples:,} changed class.",
    )
    equal = (
        f"It saves {saved} of the bytes of weights, so it loses {saved} of the accuracy",
        f"Bytes and accuracy do not fall alike: this run's int8 form {cost}.",
    )
    wrong = [*equal] if round(100 * abs(record.drop)) != round(100 * (1 - kept)) else []
    wrong += same if small.flips else []
    wrong += half if abs(kept - 0.5) > 0.02 else []
    wrong += [
        "It saves nothing in the file and only makes the arithmetic coarser",
        f"The weights shrink from {bytes_text(whole.weight_bytes)} to {bytes_text(small.weight_bytes)}.",
        "It saves training time: the network is trained in int8 from the first epoch",
        "The trained float network is converted; its ranges are found on training samples.",
    ]
    return Draft(
        40, "What does int8 save in this run, and what does it cost?",
        f"It saves {saved} of the bytes of weights and {cost}",
        f"{whole.weight_bytes:,} B -> {small.weight_bytes:,} B of weights. {changed}", wrong,
        f"Compression, int8: {small.weight_bytes:,} B of weights", "compression",
    )  # fmt: skip


def _cost(record: CompressionRecord, small: VariantRecord) -> str:
    """Return what happens to the accuracy, or to the error of a regression."""
    if small.accuracy is None:
        return f"its error {'grows' if record.drop > 0 else 'falls'} by {percent(abs(record.drop), 1)}"
    if abs(record.drop) < 0.0005:
        return "keeps the accuracy"
    return f"{'costs' if record.drop > 0 else 'gains'} {points(record.drop)} of accuracy"


@rule("budget")
def budget(trace: Trace) -> Draft | None:
    """Ask about the budget that is filled most, where the device sets limits."""
    device = trace.device
    rows = [] if device is None else [r for r in device.rows if r.available > 0 and r.used > 0]
    if device is None or not rows:
        return None
    row = max(rows, key=lambda r: (r.used / r.available, r.name))
    share = percent(row.used / row.available, 1)
    figures = f"{amount(row.used, row.unit)} of {amount(row.available, row.unit)}"
    wrong: list[str] = []
    for r in rows:
        less = percent(r.used / r.available, 1)
        wrong += [] if less == share else [_used(r), f"Less of that budget is used: {less}."]
    for factor, word in ((10.0, "ten times"), (0.1, "a tenth of"), (3.0, "three times")):
        wrong += [_used(row, factor), f"That is {word} what is used: {figures}."]
    return Draft(
        60, f"Which budget of {device.profile} does this model fill most, and how far?", _used(row),
        f"{figures}, {row.how}.", wrong, f"Device fit, {row.name}: {figures}", "device",
    )  # fmt: skip


def _used(row: BudgetRow, factor: float = 1.0) -> str:
    return f"{row.name}: {percent(factor * row.used / row.available, 1)} of it"
