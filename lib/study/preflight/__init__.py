"""Everything that is looked at before a study starts."""
