"""Shared by the workflow's scripts: paths, outputs, the context of a training job, command lines."""
