"""Generate synthetic signals, sentences and speech, and measure their utility.

They are always marked, and no model is tested on them.
"""

EXAMPLE = "utility a.csv --target label --group person --time t --method jitter --window 9"
