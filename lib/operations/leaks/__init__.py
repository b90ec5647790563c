"""Tests for look-ahead: does anything of today change when the future is taken away or becomes another one?

One module for each kind of thing that a user adds (features, series, sources, models), one for the ways to
change a future, one for what a study uses. Nothing is trained for the study, and nothing of it is changed.
"""
