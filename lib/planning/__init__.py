"""What a study amounts to before anything has run: its runs, data, shapes and cost."""
