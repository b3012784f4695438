"""The ONNX dialect: building a graph from fitted stages, passes over it, and what it costs."""
