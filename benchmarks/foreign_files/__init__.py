"""Files as the converters, exporters and quantisers of other tools write them, and what becomes of each."""
