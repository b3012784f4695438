"""Power cuts and kills of a fleet's programs, by the thousand: `make faults-fleet`."""
