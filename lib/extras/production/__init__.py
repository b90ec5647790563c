"""Promoted models: whole, hashed copies of runs, and forecasts with them on data they were not trained on."""
