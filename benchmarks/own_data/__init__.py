"""What `init` finds by itself, and what somebody finds by hand with NumPy, SciPy and scikit-learn."""
