"""The ONNX dialect: building a graph from fitted stages, passes over the graph, and its cost."""
