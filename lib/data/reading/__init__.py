"""Reads tables of prices and series in any common layout into canonical columns, before validation.

`prices.read_prices` and `series.read_series` are the entry points. A file passes through `foreign` (what is
no table at all), `table` (cells and header of text, Parquet and Excel), `columns` (whose names mean what),
`dates` and `numbers` (what their cells mean) and `adjusted` (raw prices beside adjusted ones). What is
ambiguous is refused in one line that names file, place, cause and remedy; nothing is guessed. Judges no
value: `lib.data.validation` does that.
"""
