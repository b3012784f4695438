"""Integer networks on a microcontroller: flash, memory, instructions and bytes of every path, beside peers."""
