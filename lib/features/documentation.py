"""The written catalogue (docs/features.md), made from the declarations so that it cannot drift from them.

Write it anew after any change of a feature: `python -m lib.features.documentation > docs/features.md`.
"""

from __future__ import annotations

import sys

from lib.features.catalogue import LOOK_BACK_CAP, Feature, available_tiers, catalogue

_HEAD = """# Features

<!-- Made from the declarations in lib/features/families/; do not edit by hand. To write it anew:
     python -m lib.features.documentation > docs/features.md -->

Every channel is a relation: no raw price, no raw average and no raw volume is given to a model, and no
channel depends on the unit of the price. A value at bar t uses bar t and the bars before it, nothing later.

O, H, L, C are the adjusted prices of a bar, [t] is the bar itself, ln is the natural logarithm. A channel
whose denominator is a range of zero is 0. The look-back is the number of bars that a value needs, its own
included; averages marked with * (EMA, RSI, ATR, MACD) are recursive and also remember, with exponential
decay, all bars before. To add a feature, write one `@feature(...)` declaration in a module of
`lib/features/families/`.
"""

_CAPS = """## Warm-up and look-back caps

A look-back may not exceed the cap of its timescale, or slow timescales would have no samples left. Where a
declared length exceeds it, all lengths of that feature are shrunk in proportion until it fits, and the
channel's name says so. The first (cap - 1) bars of every symbol are dropped, whatever the tier: all tiers
have the same dates.
"""

_RECURSIVE = ("EMA", "RSI", "ATR", "MACD")


def catalogue_markdown() -> str:
    """The catalogue as the text of docs/features.md."""
    lines = [_HEAD]
    tiers = available_tiers()
    smaller = 0
    for tier in tiers:
        lines += [f"## Tier {tier}\n", *_table(catalogue(tier)[smaller:]), ""]
        smaller = tier
    lines += [_CAPS, "| timescale | cap (bars) | channels that differ from daily |", "|---|---|---|"]
    daily = catalogue(tiers[-1], "daily")
    for timescale, cap in LOOK_BACK_CAP.items():
        there = catalogue(tiers[-1], timescale)  # type: ignore[arg-type]  # the caps' keys are timescales
        changed = [
            f"{a.name} → {b.name}" for a, b in zip(daily, there, strict=True) if a.parameters != b.parameters
        ]
        lines.append(f"| {timescale} | {cap} | {', '.join(changed) or '–'} |")
    return "\n".join(lines) + "\n"


def _table(features: list[Feature]) -> list[str]:
    head = [
        "| # | channel | family | formula | parameters | reads | look-back | computed by |",
        "|--:|" + "---|" * 7,
    ]
    return head + [_row(number, feature) for number, feature in enumerate(features, start=1)]


def _row(number: int, feature: Feature) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in feature.parameters.items()) or "–"
    star = "*" if any(name in feature.formula for name in _RECURSIVE) else ""
    cells = [
        str(number),
        f"`{feature.name}`",
        feature.family,
        feature.formula,
        parameters,
        ", ".join(feature.inputs),
        f"{feature.look_back}{star}",
        feature.library,
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(catalogue_markdown())
