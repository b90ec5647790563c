"""The report: figures, tables and text for computed results. Computes no statistic."""
