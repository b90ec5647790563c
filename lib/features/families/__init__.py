"""One module per family of features; every module in here is part of the catalogue."""
