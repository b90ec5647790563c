"""What every stage computes on tiny inputs, kept in git: a change of results is seen, a refactoring is not."""
