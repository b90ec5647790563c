"""The written catalogue (docs/features.md), made from the declarations so that it cannot drift from them."""

from __future__ import annotations

from lib.config.base import TIERS
from lib.features.catalogue import LOOK_BACK_CAP, catalogue
from lib.features.declaration import Feature
from lib.features.groups import group_features
from lib.features.slower import LEVELS, SLOWER, TIER

_HEAD = """# Features

<!-- Made from the declarations in lib/features/; do not edit by hand. To write it again: make docs -->

Every channel is a relation: no raw price, no raw average and no raw volume is given to a model, and no
channel depends on the unit of the price. A value at bar t uses bar t and the bars before it, nothing later.

O, H, L, C are the adjusted prices of a bar, V its volume, [t] is the bar itself, ln is the natural logarithm.
A channel whose denominator is zero (a range or a volume of zero) is 0. The look-back is the number of bars
that a value needs, its own included; recursive averages (EMA, RSI, ATR, MACD, ADX, ...) also remember, with
exponential decay, all bars before.

Tiers are nested: each holds the smaller ones. The tables show daily bars; upper tiers are filled by rule
(`lib/features/expansions.py`). Tiers need prices and volume only; sentiment, volatility index, search trends
and rates belong to columns b-d and row E and stand at the end of this page.

## What is not used, or only in its causal form

pandas-ta-classic's `dpo` (centred), `ichimoku` (chikou span shifted back), `tos_stdevall` and `vp` (both of
the whole history) know the future by default: they are refused at the door (`lib/features/indicators.py`).
TA-Lib's CMO repeats RSI, BOP repeats the candle's body, NATR repeats ATR over the close, simple returns
repeat log returns: of each pair one is taken. To add a feature of your own see
[adding-things.md](adding-things.md).
"""

_CAPS = """## Other timescales

A look-back may not exceed the cap of its timescale, or slow timescales would have no samples left. Periods
shrink on a logarithmic scale on which 2 stays 2 and 252 becomes the cap; where two of one kind meet, the
later one takes the nearest free length, and a feature that cannot fit gives its place to the next. The
channel's name tells its lengths. The first (cap - 1) bars of every symbol are dropped, whatever the tier:
all tiers have the same dates.
"""

_MULTIRES = """## Timescale `multires`

Daily bars with the channels of completed weeks and months on top of the tier: the features of tier {tier} of
those bars, as `weekly_...` and `monthly_...`, and the distances ln(C[t] / level) of the close from the last
completed period's {levels}, as `close_to_weekly_close` and so on. A day sees a period only when its last
session is over.
"""

_GROUPS = """## Series beside prices

Indicators of each series, computed on its own dates (v is its value, lengths for daily, weekly and monthly
series), and given to a bar when they were public ([data.md](data.md)). The channel's name is the series'
name, then the indicator's.
"""


def catalogue_markdown() -> str:
    """The catalogue as the text of docs/features.md."""
    lines = [_HEAD]
    smaller = 0
    for tier in TIERS:
        lines += [f"## Tier {tier}\n", *_table(catalogue(tier)[smaller:], smaller), ""]
        smaller = tier
    lines += [_CAPS, "| timescale | cap (bars) | example: tier 20 |", "|---|---|---|"]
    for timescale, cap in LOOK_BACK_CAP.items():
        names = ", ".join(feature.name for feature in catalogue(20, timescale))  # type: ignore[arg-type]
        lines.append(f"| {timescale} | {cap} | {names} |")
    levels = ", ".join(LEVELS)
    lines += ["", _MULTIRES.format(tier=TIER, levels=levels), _GROUPS]
    lines += [
        "| group | indicator | formula | lengths (" + ", ".join(("daily", *SLOWER)) + ") |",
        "|---|---|---|---|",
    ]
    for group in ("rate", "sentiment", "volatility", "trends"):
        for each in group_features(group):
            lengths = ", ".join(str(n) for n in each.lengths.values())
            lines.append(f"| {group} | `{each.name}` | {each.formula} | {lengths} |")
    return "\n".join(lines) + "\n"


def _table(features: list[Feature], before: int) -> list[str]:
    head = ["| # | channel | family | formula | reads | look-back | computed by |", "|--:|" + "---|" * 6]
    return head + [_row(before + number, feature) for number, feature in enumerate(features, start=1)]


def _row(number: int, feature: Feature) -> str:
    cells = [
        str(number),
        f"`{feature.name}`",
        feature.family,
        feature.formula,
        ", ".join(feature.inputs),
        str(feature.look_back),
        feature.library,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
