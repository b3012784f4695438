"""More rows: accuracy, processor time and memory of `run` on tables that grow, against boosting by hand."""
