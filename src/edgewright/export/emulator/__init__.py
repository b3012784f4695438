"""Generated C on an emulated microcontroller: answers byte by byte, instructions, flash and RAM."""

from edgewright.export.emulator.boards import Board as Board
from edgewright.export.emulator.boards import board as board
from edgewright.export.emulator.boards import devices as devices
from edgewright.export.emulator.boards import missing_tools as missing_tools
from edgewright.export.emulator.run import DeviceRun as DeviceRun
from edgewright.export.emulator.run import Entry as Entry
from edgewright.export.emulator.run import run_on_device as run_on_device
