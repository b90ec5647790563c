"""Any table that people have, made the canonical one before anything judges it.

`prices.read_prices` and `series.read_series` are the doors. A file passes through `foreign` (what is no table
at all), `table` (cells and header of text, Parquet and Excel), `columns` (whose names mean what), `dates` and
`numbers` (what their cells mean) and `adjusted` (raw prices beside adjusted ones). What cannot be told is
refused in one line that names file, place, cause and remedy; nothing is guessed. No value is judged here:
`lib.data.validation` does that.
"""
