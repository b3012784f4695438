"""What a model is worth: on test samples, beside one column with thresholds, on changed sensors."""
