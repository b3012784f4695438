"""What a device imports: the package reader, rows, windows, NumPy operators, engines and prediction.

Only the base install (numpy, msgspec, click) may be imported here; a subprocess test lists `sys.modules`.
"""
