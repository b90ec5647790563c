"""The shipped study in markets and with models whose answers are known."""
