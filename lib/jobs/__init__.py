"""What the workflow's scripts share: paths, outputs, the edges of a training job, command lines."""
