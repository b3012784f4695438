"""Records that rooms exchange, one file per family. Structs and constants only."""
