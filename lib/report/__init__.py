"""The page: figures, tables and words for what others have computed. Computes no statistic."""
