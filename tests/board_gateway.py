"""Boards behind a gateway for tests: generated C on this machine or emulated, on TCP ports and pseudo-terminals."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import IO

from board_example import PAGE, STRICT, Board
from edgewright.export.c99_host.host import compiler_command
from edgewright.export.emulator import board as board_of

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "board.c"


def build_example(board: Board) -> Path:
    """Return the example of the documentation over the code of a board, which is called 'net' here."""
    text = EXAMPLE.read_text().replace("pump", "net").replace("PUMP", "NET")
    (board.folder / "example.c").write_text(text)
    sources = sorted(path.name for path in board.folder.glob("net*.c"))
    command = [
        *compiler_command(),
        *STRICT,
        f"-DNET_PAGE={PAGE}u",
        "-I.",
        *sources,
        "example.c",
        "-o",
        "example",
        "-lm",
    ]
    done = subprocess.run(command, cwd=board.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return board.folder / "example"


class TcpBoard:
    """The example at work; its flash stays when its power is cut.

    Args:
        program: as `build_example` makes it.
        flash: file.
    """

    def __init__(self, program: Path, flash: Path) -> None:
        self._program, self._flash, self.port = program, flash, 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def link(self) -> str:
        """As in device.toml."""
        return f"tcp:127.0.0.1:{self.port}"

    def start(self) -> None:
        """Switch the power on; the port stays what it was."""
        command = [str(self._program), str(self._flash), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        match = re.search(r":(\d+)$", first_line(self._process.stdout))
        assert match
        self.port = int(match.group(1))

    def cut(self) -> None:
        """Cut the power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._process = None


class PtyBoard:
    """The board of `board_host.c` on a pseudo-terminal, as a serial line."""

    def __init__(self, board: Board, flash: Path) -> None:
        self._board, self._flash = board, flash
        self._master, self._slave = os.openpty()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def link(self) -> str:
        """As in device.toml."""
        return f"serial:{os.ttyname(self._slave)}@115200"

    def start(self) -> None:
        """Switch the power on."""
        words = [str(self._board.folder / "board"), str(self._flash), "serve", str(self._master)]
        self._process = subprocess.Popen(words, pass_fds=[self._master])

    def cut(self) -> None:
        """Cut the power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Close the line as well."""
        self.cut()
        os.close(self._master)
        os.close(self._slave)


class EmulatedBoard:
    """A Cortex-M4 with generated C, emulated: its UART is a TCP port.

    Args:
        board: whose code runs there.
    """

    def __init__(self, board: Board) -> None:
        folder, target = board.folder, board_of("cortex-m4")
        memory = resources.files("edgewright.export.emulator") / "memory.ld"
        sources = [str(path) for path in sorted(folder.glob("net*.c"))]
        command = [
            target.tools.compiler,
            "-mthumb",
            *target.options,
            "-O2",
            "-std=c99",
            f"-DNET_PAGE={PAGE}u",
            f"-I{folder}",
        ]
        command += ["-ffunction-sections", "-fdata-sections", "-fno-tree-loop-distribute-patterns", "-nostartfiles"]
        command += ["-Wl,--gc-sections", "-specs=nano.specs", "-specs=nosys.specs", "-T", str(memory)]
        command += [f"-Wl,--defsym=flash_bytes={target.flash}", f"-Wl,--defsym=ram_bytes={target.ram}"]
        image = folder / "uart.elf"
        harness = Path(__file__).with_name("board_uart.c")
        done = subprocess.run(
            [*command, *sources, str(harness), "-lm", "-o", str(image)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[:3000]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._process = subprocess.Popen(
            [target.tools.emulator, "-machine", target.machine, "-display", "none", "-monitor", "stdio",
             "-kernel", str(image), "-serial", f"tcp:127.0.0.1:{self.port},server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def link(self) -> str:
        """As in device.toml."""
        return f"tcp:127.0.0.1:{self.port}"

    def reset(self) -> None:
        """As its watchdog would."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"system_reset\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def first_line(stream: IO[str]) -> str:
    """Return what a program says first."""
    line = stream.readline()
    assert line, "it ended before it said anything"
    return line.strip()


def lines_of(entries: dict[str, str], more: Callable[[str], str] = lambda name: "") -> str:
    """`[[boards]]` of device.toml, links by name."""
    return "".join(f'[[boards]]\nname = "{name}"\nlink = "{link}"\n{more(name)}\n' for name, link in entries.items())
