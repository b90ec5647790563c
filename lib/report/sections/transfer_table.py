"""Table of the search's section: did a recipe that was found at one size transfer to the others?"""

from __future__ import annotations

from lib.config.base import BUDGET_PARAMETERS
from lib.report.inputs import ReportInputs
from lib.report.page import Table, numbers, table, texts
from lib.report.wording import DASH, listed, number, problem_words
from lib.scaling.transfer import RateLoss, TransferCheck, check_transfer


def transfer_table(inputs: ReportInputs) -> tuple[str, Table] | None:
    """The outcome in a sentence, and the losses of each rate by size; None where nothing was checked."""
    if not inputs.transfer:
        return None
    sizes = list(BUDGET_PARAMETERS)
    found = [(_where(p), _size(p), check_transfer(f, _horizon(p))) for p, f in inputs.transfer.items()]
    checks = sorted(found, key=lambda item: (item[0], sizes.index(item[1])))
    factors = sorted({rate.factor for _, _, check in checks for rate in check.rates})
    rated = numbers(*(f"{factor:g} x the rate" for factor in factors))
    rows = []
    for where, size, check in checks:
        losses = {rate.factor: rate for rate in check.rates}
        rows.append([where, size, *(_loss(losses.get(factor)) for factor in factors), _answer(check)])
    caption = (
        "Selection loss (primary symbol, intercept re-fitted) on the years of the search, before every test "
        "part. In brackets: difference from the found rate and its standard error, paired by date. A recipe "
        "holds if no other rate is better by more than one standard error."
    )
    return _sentence(checks), table(
        caption, [*texts("Search", "Size"), *rated, *texts("Does it hold?")], rows
    )


def _sentence(checks: list[tuple[str, str, TransferCheck]]) -> str:
    lost = [f"{size} of {where}" for where, size, check in checks if check.holds is False]
    unknown = [f"{size} of {where}" for where, size, check in checks if check.holds is None]
    if lost:
        return f"Did the recipe transfer? Not to {listed(lost)}: another rate is clearly better there."
    if unknown:
        return f"Did the recipe transfer? Unknown for {listed(unknown)}."
    return (
        "Did the recipe transfer? Yes: at every size the found rate is within one standard error of the best."
    )


def _answer(check: TransferCheck) -> str:
    if check.holds is None:
        return "cannot tell"
    if check.holds:
        return "yes"
    return f"no, {check.best.factor:g} x is better" if check.best else "no"


def _loss(rate: RateLoss | None) -> str:
    if rate is None:
        return DASH
    if rate.loss is None:
        return "diverged"
    if rate.factor == 1.0 or rate.above is None:
        return number(rate.loss)
    return f"{number(rate.loss)} ({rate.above:+.4f} ± {number(rate.error)})"


def _parts(path: str) -> list[str]:
    """Key of the search, the folder of its checks, and the file."""
    return path.split("/")[-10:]


def _where(path: str) -> str:
    variant, dataset, timescale, task, horizon, model, searched, _, _, _ = _parts(path)
    words = [] if variant == "base" else [variant]
    return " · ".join(
        [*words, dataset, problem_words(timescale, task, horizon), model, f"found at {searched}"]
    )


def _size(path: str) -> str:
    return _parts(path)[-1].removesuffix(".parquet")


def _horizon(path: str) -> int:
    return int(_parts(path)[4].removeprefix("h"))
