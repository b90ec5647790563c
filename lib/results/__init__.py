"""The door for readers: tables of a study's results, opened in three lines. Computes and judges nothing.

>>> from lib.results import predictions, runs
>>> table = runs()                                          # or runs("studies/finding"), runs(phase="phase1")
>>> forecasts = predictions(table.filter(model="ridge"))    # joins with `table` on `path`

Every column is explained in docs/results.md.
"""

from lib.results.reader import daily, histories, importances, metrics, predictions, runs, scaling

__all__ = ["daily", "histories", "importances", "metrics", "predictions", "runs", "scaling"]
