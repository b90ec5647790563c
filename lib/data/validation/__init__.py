"""Validation of imported data: every fault is an error or a named warning, and nothing is repaired.

Each rule is one entry in `findings.RULES` with its severity, which the configuration may change. Errors
refuse the symbol or series; everything stands in the data-quality table of the report.
"""
