"""Power cuts and kills, by the thousand: `make faults`."""
