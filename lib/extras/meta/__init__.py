"""Meta-modules: forecasts of many models as the channels of another, and whether that gained anything."""
