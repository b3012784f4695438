"""One row predicted: the extension beside LiteRT, ONNX Runtime and NumPy."""
