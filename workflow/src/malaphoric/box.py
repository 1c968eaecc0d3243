"""A box worth scanning: where a model's best fit and 95% region are, found without a scan.

The compiled engine is minimised in all that is physical; the scan itself is configured by the user.
"""

from __future__ import annotations

import math

import numpy as np

from malaphoric import fits
from malaphoric.categories import GLOBAL
from malaphoric.engines import ModelLikelihood
from malaphoric.fits import Box
from malaphoric.grid import AXES, round_step
from malaphoric.smeft import M_REFERENCE
from malaphoric.statistics import delta_chi2_level, intervals

# random points that are looked at first, and how many of them are followed down
_LOOKS, _FOLLOWED, _SEED = 8192, 48, 1

# part of the region's width that is added on both sides, and points of an axis
_MARGIN, _POINTS, _MOST_POINTS = 0.15, {"epsilon_hat": 50, "g_hat": 70, "theta_sb": 80}, 500

# a parabola through three values of theta_sb is trusted while it dips by less, see `statistics`
_DIP = 0.5


def propose(likelihood: ModelLikelihood) -> dict:
    """Ranges and numbers of points for a scan of a model.

    Parameters
    ----------
    likelihood : ModelLikelihood
        With the compiled engine.

    Returns
    -------
    dict
        ``grid``: the block of a run configuration, with epsilon_hat = 0 among its nodes and steps
        of theta_sb that resolve chi2; ``best``: the best fit (epsilon_hat, g_hat, theta_sb, chi2);
        ``region``: its 95% region (two parameters), [low, high] by parameter, None where it ends at
        a physical limit only; ``undetermined``: parameters that chi2 does not depend on. None
        instead of a dict if no point is valid.
    """

    def chi2(points: np.ndarray) -> dict[str, np.ndarray]:
        return likelihood.chi2_of_few(points)

    wide = _physical(likelihood)
    found, starts = _search(chi2, wide)
    if not found:
        return {"grid": None, "best": None, "region": {}, "undetermined": []}
    height = delta_chi2_level(0.95, 2)
    region: dict[str, list] = {}
    for refinements in (0, 3):  # the second time from the points of the first
        lines = {name: starts[np.argsort(starts[:, i])].tolist() for i, name in enumerate(AXES)}
        curves = fits.profiles(found, lines, wide, chi2, [height], refinements)
        starts = np.concatenate([np.array(c["points"]).reshape(-1, 3) for c in curves.values()])
        delta = np.concatenate([c["chi2"] for c in curves.values()]) - found["chi2"][GLOBAL]
        starts = starts[delta < 4 * height]
    for i, name in enumerate(AXES):
        pieces = intervals(
            np.array(curves[name]["points"])[:, i], np.array(curves[name]["chi2"]), height
        )
        region[name] = [pieces[0][0], pieces[-1][1]]
    grid = {
        name: _axis(name, region[name], wide, 1 / _POINTS[name], M_REFERENCE / likelihood.M_X)
        for name in AXES
    }
    if "theta_sb" in found["undetermined"]:
        grid["theta_sb"] = {"min": 0.0, "max": 0.0, "points": 1}
    else:
        share = _theta_step(chi2, wide, starts, grid)
        grid["theta_sb"] = _axis("theta_sb", region["theta_sb"], wide, share)
    best = {**{name: found[name] for name in AXES}, "chi2": found["chi2"][GLOBAL]}
    return {"grid": grid, "best": best, "region": region, "undetermined": found["undetermined"]}


def text(grid: dict) -> str:
    """A grid as the block of a run configuration."""
    rows = [
        f"  {name}: {{min: {a['min']:g}, max: {a['max']:g}, points: {a['points']}}}"
        for name, a in grid.items()
    ]
    return "\n".join(["grid:", *rows])


def _physical(likelihood: ModelLikelihood) -> Box:
    """|epsilon| <= 1, couplings up to sqrt(4 pi), and theta_sb once round."""
    limit = M_REFERENCE / likelihood.M_X
    charges = np.concatenate([np.ravel(x) for x in likelihood.model.charges.values()])
    strongest = np.abs(charges).max() or 1.0
    return {
        "epsilon_hat": (-limit, limit),
        "g_hat": (0.0, math.sqrt(4 * math.pi) * limit / strongest),
        "theta_sb": (-math.pi / 2, math.pi / 2),
    }


def _search(chi2: fits.Chi2, box: Box) -> tuple[dict | None, np.ndarray]:
    """The best fit in a large box, and the minima found on the way."""
    low, high = np.array([box[name] for name in AXES]).T
    rng = np.random.default_rng(_SEED)
    unit = rng.uniform(-1, 1, (_LOOKS, 3))
    # more at small couplings and angles, where less is excluded
    unit[:, 1] = 2 * unit[:, 1] ** 2 - 1
    unit[:, 2] **= 3
    points = low + (unit + 1) / 2 * (high - low)
    values = chi2(points)[GLOBAL]
    points = points[np.argsort(np.where(np.isfinite(values), values, np.inf))[:_FOLLOWED]]
    points, values = fits.minima(lambda x: chi2(x)[GLOBAL], points, np.arange(3), low, high)
    points = points[np.isfinite(values)][np.argsort(values[np.isfinite(values)])]
    starts = [dict(zip(AXES, point, strict=True)) for point in points.tolist()]
    return (fits.minimise(starts, box, chi2) if starts else None), points


def _axis(
    name: str, region: list, wide: Box, share: float, limit: float | None = None
) -> dict[str, float]:
    """A range that holds a region with a margin, and its points, zero among them if inside."""
    low, high = (w if r is None else r for r, w in zip(region, wide[name], strict=True))
    if name != "theta_sb":  # the unmixed model, and no coupling at all, belong to the picture
        low, high = min(low, 0.0), max(high, 0.0)
    margin = _MARGIN * (high - low)
    low, high = low - margin, high + margin
    if name == "g_hat":
        low = 0.0
    if name == "epsilon_hat":  # beyond |epsilon| = 1, so that the limit is seen
        low, high = max(low, -1.2 * limit), min(high, 1.2 * limit)
    if name == "theta_sb":
        low, high = max(low, wide[name][0]), min(high, wide[name][1])
    step = round_step((high - low) * share)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 3 - math.floor(math.log10(step)))
    return {
        "min": round(first * step, digits),
        "max": round(last * step, digits),
        "points": last - first + 1,
    }


def _theta_step(chi2: fits.Chi2, wide: Box, starts: np.ndarray, grid: dict) -> float:
    """Steps of theta_sb in widths of its axis that resolve chi2 where the box is narrowest."""
    low, high = np.array([wide[name] for name in AXES]).T
    starts = starts.copy()
    starts[:, 1] = grid["g_hat"]["max"]

    def values(points: np.ndarray) -> np.ndarray:
        return chi2(points)[GLOBAL]

    points, minimum = fits.minima(values, starts, np.array([0, 2]), low, high)
    points = points[np.argsort(minimum)[:1]]
    curvature = fits.curvature(values, points, 2, high[2] - low[2])[0]
    width = grid["theta_sb"]["max"] - grid["theta_sb"]["min"]
    step = math.sqrt(8 * _DIP / max(curvature, 1e-9))
    return min(max(step / width, 1 / _MOST_POINTS), 1 / _POINTS["theta_sb"])
