"""Jobs: training and prediction in worker processes."""
