"""How many planted faults `edgewright prove` finds, and at which stage."""
