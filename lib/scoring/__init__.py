"""One run at a time: its measures, calibration, conformal intervals and backtest, from predictions alone."""
