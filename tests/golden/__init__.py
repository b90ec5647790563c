"""What every stage computes on tiny inputs, kept in git: changed results are seen, a refactoring is not."""
