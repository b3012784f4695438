"""Label data with help: suggestions, active learning, reviews, likely errors, and audits by people."""

EXAMPLE = "suggest calls.csv --out calls.labelling --encoder all-MiniLM-L6-v2"
