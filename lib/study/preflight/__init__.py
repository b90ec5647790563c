"""Preflight: all checks before a study starts."""
