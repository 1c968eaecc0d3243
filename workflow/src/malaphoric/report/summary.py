"""The end of a run in a few lines for a terminal: what came out, and where it is.

The page of the run says the same at length; sentences on what to mind are in `notes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from malaphoric.data.categories import GLOBAL
from malaphoric.inference.results import Fit, Fits, ScanResult


def with_error(value: float, error: float | None = None) -> str:
    """A value and its error, to two digits of the error; alone where there is none."""
    if not error or not np.isfinite(error):
        return f"{value:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def ranges(pieces: Iterable[Iterable[float | None]]) -> str:
    """Intervals in words; None is an end that is not seen."""
    words = []
    for low, high in pieces:
        if low is None or high is None:
            ends = [
                f"≥ {low:.3g}" if low is not None else "",
                f"≤ {high:.3g}" if high is not None else "",
            ]
            words.append("".join(ends) or "no bound")
        else:
            words.append(f"{low:.3g} to {high:.3g}")
    return " and ".join(words)


def lines(
    fits: Fits,
    grid: ScanResult,
    level: float,
    check: str,
    page: Path,
    seconds: float,
) -> list[str]:
    """What a run ends with.

    Parameters
    ----------
    fits : Fits
    grid : ScanResult
        Its census counts points.
    level : float
        Confidence level of the ranges.
    check : str
        How far its numbers are exact, in words.
    page : Path
        Its page, whose folder has all results.
    seconds : float
        Since it was started, this time.
    """
    return [
        "",
        f"{_counted(grid.census)}, {check}; {_duration(seconds)} from start to end.",
        f"SM: chi2 = {fits.SM.chi2[GLOBAL]:.2f}" + _p_value(fits.SM),
        *(f"{name}: {_fit(fit)}" for name, fit in fits.found.items()),
        *([] if fits.found else ["There is no best fit."]),
        *_intervals(fits, level),
        *(f"Note: {note}" for note in fits.notes),
        _where(page),
    ]


def of_atlas(found: list[str], check: str, page: Path, seconds: float) -> list[str]:
    """What an atlas ends with: what `ranking.said` found; else as for `lines`."""
    number, *others = found
    return [
        "",
        f"{number}, {check}; {_duration(seconds)} from start to end.",
        *others,
        _where(page),
    ]


def _where(page: Path) -> str:
    return f"All results: {page.parent}/; to look at: {page.resolve().as_uri()}"


def _counted(census: dict[str, int]) -> str:
    """How many points there are, and why some are lost; each is counted once."""
    reasons = {"ckm": "without CKM elements (their extraction fails)", "error": "ended in an error"}
    lost = [f"{census[key]} {why}" for key, why in reasons.items() if census.get(key)]
    if beyond := census["points"] - census["physical"]:
        parts = [f"{beyond} unphysical (|epsilon| > 1)"]
        parts += [f"of the {census['physical']} others {' and '.join(lost)}"] * bool(lost)
    else:
        parts = lost
    return f"{census['points']} points" + (f" ({', '.join(parts)})" if parts else "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(hours or minutes)
    return " ".join([*parts, *([] if hours else [f"{rest} s"])])


def _p_value(fit: Fit) -> str:
    return "" if fit.p_value is None else f", p-value {fit.p_value:.2g}"


def _fit(fit: Fit) -> str:
    place = ", ".join(
        f"{name} = {with_error(value, fit.errors.get(name))}" for name, value in fit.values.items()
    )
    over = ", ".join(f"{p:.2g} over {name}" for name, p in fit.p_value_over.items())
    return (
        f"{place}; chi2 = {fit.chi2[GLOBAL]:.2f}, {fit.dchi2[GLOBAL]:.2f} below the SM"
        + _p_value(fit)
        + (f" ({over})" if over else "")
    )


def _intervals(fits: Fits, level: float) -> list[str]:
    """The range of each parameter alone."""
    said = [
        f"{name} {ranges(found.get(f'{level:g}', []))}" for name, found in fits.intervals.items()
    ]
    return [f"{100 * level:g}% ranges: {'; '.join(said)}"] if said else []
