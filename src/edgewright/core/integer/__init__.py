"""Networks of integers on a device: read out of a graph, and run bit by bit as the kernels of a rounding give them."""
