"""A file to which rows are added all the time, for devices that read it."""

from __future__ import annotations

import math
import threading
from pathlib import Path

from agent_example import RATE


class Rows:
    """Adds rows from its making until `close`."""

    def __init__(self, path: Path) -> None:
        self._path, self._end = path, threading.Event()
        path.write_text("time,level,heat\n")
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def _go_on(self) -> None:
        row = 0
        while not self._end.wait(0.1):
            lines = []
            for row in range(row, row + int(RATE / 10)):  # noqa: B020 - goes on where it was
                lines.append(f"{row / RATE:.3f},{math.sin(row / 40):.5f},{math.cos(row / 9):.5f}\n")
            row += 1
            with self._path.open("a") as file:
                file.write("".join(lines))

    def close(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join()
