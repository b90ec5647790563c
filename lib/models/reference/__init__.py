"""Models whose forecasts are known by construction, for testing everything else."""
