"""Writes `docs/images/terminal.svg`: the README's commands for your own data with what they print, as an animation.

The commands run in an empty folder, so the picture shows what a person sees. Run it from the repository's root:
python tools/make_recording.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

COMMANDS = (
    "edgewright sample motion --out my.csv",
    "edgewright init my.csv --yes",
    "edgewright run pipeline.toml",
    "edgewright prove runs/my",
    "edgewright export runs/my --to c99",
)
COLUMNS, ROWS = 88, 30
SECONDS = 60.0
TYPED_S, PAUSE_S, LONGEST_LINE_S = 1.6, 2.5, 0.5
LINE_HEIGHT, CHARACTER, MARGIN = 18, 8.43, 16
STYLE = """
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee4; white-space: pre }
.command { fill: #7ee2c8; font-weight: bold }
.line { animation: show .01s forwards; opacity: 0 }
@keyframes show { to { opacity: 1 } }
"""
STILL = "@media (prefers-reduced-motion: reduce) { .line { animation: none; opacity: 1 } #lines { animation: none } }"


def printed(command: str, folder: Path) -> list[str]:
    """Return the lines that a command prints in a folder."""
    env = os.environ | {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    words = command.split()
    program = [sys.executable, "-m", words[0], *words[1:]]
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout.rstrip().splitlines()


def timed(recorded: list[tuple[str, list[str]]]) -> list[tuple[float, str, str]]:
    """Return (second, class, text) of each line, with pauses to read, in `SECONDS` in all."""
    lines = sum(len(output) for _, output in recorded)
    each = min(LONGEST_LINE_S, (SECONDS - len(recorded) * (TYPED_S + PAUSE_S)) / lines)
    shown, now = [], 0.5
    for command, output in recorded:
        shown.append((now, "line command", f"$ {command}"))
        now += TYPED_S
        for text in output:
            shown.append((now, "line", text[:COLUMNS]))
            now += each
        now += PAUSE_S
    return shown


def svg(shown: list[tuple[float, str, str]]) -> str:
    """Return the picture: all lines in a column that moves up as it fills, without a script."""
    width, height = round(COLUMNS * CHARACTER) + 2 * MARGIN, ROWS * LINE_HEIGHT + 2 * MARGIN
    end = shown[-1][0] + PAUSE_S
    steps = [(at, number + 1 - ROWS) for number, (at, _, _) in enumerate(shown) if number >= ROWS]
    frames = "".join(f"{100 * at / end:.3f}% {{ transform: translateY({-LINE_HEIGHT * up}px) }}" for at, up in steps)
    last = -LINE_HEIGHT * max(0, len(shown) - ROWS)
    move = f"@keyframes up {{ 0% {{ transform: none }} {frames} 100% {{ transform: translateY({last}px) }} }}"
    move += f"#lines {{ animation: up {end:.1f}s step-end forwards; transform: translateY({last}px) }}"
    texts = "".join(
        f'<text class="{kind}" style="animation-delay:{at:.2f}s" x="{MARGIN}" '
        f'y="{MARGIN + LINE_HEIGHT * (row + 1) - 5}">{escape(text)}</text>'
        for row, (at, kind, text) in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">'
        f'<title id="title">From a CSV file to C: {escape("; ".join(COMMANDS))}</title>'
        f"<style>{STYLE}{move}{STILL}</style>"
        f'<rect width="{width}" height="{height}" rx="8" fill="#14191f"/>'
        f'<clipPath id="screen"><rect y="{MARGIN // 2}" width="{width}" height="{height - MARGIN}"/></clipPath>'
        f'<g clip-path="url(#screen)"><g id="lines">{texts}</g></g></svg>\n'
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        recorded = [(command, printed(command, Path(name))) for command in COMMANDS]
    Path("docs/images/terminal.svg").write_text(svg(timed(recorded)), encoding="utf-8")
