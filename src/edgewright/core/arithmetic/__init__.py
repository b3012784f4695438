"""Integer arithmetic that kernels and networks share: fixed point, requantisation, tables of gates."""
