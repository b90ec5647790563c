"""The study: axes, hypotheses, curves, paired comparisons, laws, controls and verdicts."""
