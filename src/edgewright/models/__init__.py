"""What can be fitted: the last stage of a pipeline, one file a kind of model."""
