"""Registers of a Modbus device over TCP or a serial line, read at a steady rate."""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from edgewright.core.errors import MissingExtraError, SourceError, UnknownNameError
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._polling import LinkError, Polled, PolledConfig, named

_PATIENCE = 3.0  # seconds for an answer
# Types of values: letter of `struct` and registers of two bytes.
_TYPES = {"uint16": ("H", 1), "int16": ("h", 1), "uint32": ("I", 2), "int32": ("i", 2), "float32": ("f", 2)}
_BANKS = {"holding": "read_holding_registers", "input": "read_input_registers"}
_LARGEST = 125  # registers that one request may ask for
_REGISTER = re.compile(r"(?:(?P<bank>\w+):)?(?P<number>\d+)(?::(?P<type>\w+))?(?:\*(?P<scale>[-+.\deE]+))?")
EXAMPLE = "speed@input:12:int16*0.1"


class ModbusConfig(PolledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a Modbus source.

    Attributes:
        host, port: of a device, or of a gateway to serial ones.
        serial: serial port such as '/dev/ttyUSB0', instead of a host.
        baud: of the serial port.
        unit: number of the device on its line.
        registers: columns, 'NAME@BANK:NUMBER:TYPE*SCALE': the bank `holding` (default) or `input`, the number from 0
            as on the wire, the type uint16 (default), int16, uint32, int32 or float32.
        words: order of the two registers of 32 bits: 'high' first, or 'low'.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 502
    serial: str = ""
    baud: Annotated[int, msgspec.Meta(ge=300)] = 19200
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    registers: tuple[str, ...] = ()
    words: str = "high"


@dataclass(frozen=True)
class Register:
    """Where a column stands: bank, first register, type and what its value is multiplied by."""

    bank: str
    number: int
    type: str
    scale: float

    @property
    def size(self) -> int:
        """Registers that it takes."""
        return _TYPES[self.type][1]

    def value(self, words: Sequence[int], low_first: bool) -> float:
        """Return the value of its registers."""
        ordered = words[::-1] if low_first else words
        letter = _TYPES[self.type][0]
        (number,) = struct.unpack(f">{letter}", struct.pack(f">{len(ordered)}H", *ordered))
        return float(number) * self.scale


def read_register(text: str) -> Register:
    """Read what stands behind a column's name, such as 'input:12:int16*0.1'.

    Raises:
        InputError: it is none, or beyond the last register.
        UnknownNameError: a bank or type that is not known.
    """
    parts = _REGISTER.fullmatch(text)
    if parts is None:
        raise SourceError(f"a register such as {EXAMPLE}", repr(text), "[source] registers")
    bank, kind = parts["bank"] or "holding", parts["type"] or "uint16"
    if bank not in _BANKS:
        raise UnknownNameError("bank of registers", bank, _BANKS, "[source] registers")
    if kind not in _TYPES:
        raise UnknownNameError("type of a register", kind, _TYPES, "[source] registers")
    try:
        scale = float(parts["scale"] or 1)
    except ValueError:
        raise SourceError("a number to multiply by", repr(parts["scale"]), "[source] registers") from None
    register = Register(bank, int(parts["number"]), kind, scale)
    if register.number + register.size > 65536:
        raise SourceError("registers from 0 to 65535", text, "[source] registers")
    return register


def blocks(registers: Sequence[Register]) -> list[tuple[str, int, int]]:
    """Return requests that reach all registers: bank, first and count; neighbours share one."""
    requests: list[tuple[str, int, int]] = []
    for register in sorted(registers, key=lambda register: (register.bank, register.number)):
        end = register.number + register.size
        bank, first, count = requests[-1] if requests else ("", 0, 0)
        if bank == register.bank and register.number <= first + count and end - first <= _LARGEST:
            requests[-1] = (bank, first, max(count, end - first))
        else:
            requests.append((register.bank, register.number, register.size))
    return requests


class _Registers:
    """The device's registers, as a link."""

    def __init__(self, config: ModbusConfig, registers: Sequence[Register]) -> None:
        try:
            self._library: Any = importlib.import_module("pymodbus.client")
            self._error: Any = importlib.import_module("pymodbus.exceptions").ModbusException
        except ModuleNotFoundError:
            raise MissingExtraError("industry", "pymodbus") from None
        self._config, self._registers, self._blocks = config, registers, blocks(registers)
        self._client: Any = None

    def connect(self) -> None:
        config = self._config
        if config.serial:
            self._client = self._library.ModbusSerialClient(
                config.serial, baudrate=config.baud, timeout=_PATIENCE, retries=1
            )
        else:
            self._client = self._library.ModbusTcpClient(config.host, port=config.port, timeout=_PATIENCE, retries=1)
        if not self._client.connect():
            raise LinkError("no device answers there")

    def values(self) -> Sequence[float]:
        words: dict[tuple[str, int], int] = {}
        for bank, first, count in self._blocks:
            try:
                answer = getattr(self._client, _BANKS[bank])(first, count=count, device_id=self._config.unit)
            except (self._error, OSError) as error:
                raise LinkError(str(error)[:80]) from None
            if answer.isError() or len(answer.registers) < count:
                raise LinkError(f"unit {self._config.unit} refuses {bank} registers {first} to {first + count - 1}")
            words |= {(bank, first + offset): word for offset, word in enumerate(answer.registers)}
        low_first = self._config.words == "low"
        return [
            register.value(
                [words[register.bank, register.number + offset] for offset in range(register.size)], low_first
            )
            for register in self._registers
        ]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


def _settings_of(text: str) -> dict[str, str]:
    if text.startswith("/"):
        return {"serial": text}
    host, colon, port = text.rpartition(":")
    return {"host": host, "port": port} if colon else {"host": text}


def _open(config: ModbusConfig, columns: tuple[str, ...]) -> Stream:
    if config.words not in ("high", "low"):
        raise UnknownNameError("order of words", config.words, ("high", "low"), "[source] words")
    pairs = named(config.registers, "registers", EXAMPLE)
    link = _Registers(config, [read_register(text) for _, text in pairs])
    where = config.serial or f"{config.host}:{config.port}"
    return Polled(link, [name for name, _ in pairs], columns, config.rate, where)


STREAM = StreamKind(
    config=ModbusConfig,
    open=_open,
    example="modbus:127.0.0.1:502?rate=10&registers=speed@0,heat@2:float32",
    location_settings=_settings_of,
)
