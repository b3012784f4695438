"""Find anomalies in streams and windows: fit, run and score a detector."""

EXAMPLE = "fit pump.csv --time time --out pump.detector"
