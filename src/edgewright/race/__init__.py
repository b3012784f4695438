"""The race of whole pipelines: candidates of each kind of data, measured on folds that keep people apart."""
