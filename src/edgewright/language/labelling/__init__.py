"""Labels with help: suggestions of a machine, what to label next, reviews, likely errors, and audits by people."""
