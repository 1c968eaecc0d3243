"""A box worth scanning: where a model's best fit and 95% region are, found without a scan.

The compiled engine is minimised in all that is physical; the scan itself is configured by the user.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from malaphoric.data.categories import GLOBAL
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.inference import fits
from malaphoric.inference.fits import Box
from malaphoric.inference.results import Curve, Fit
from malaphoric.inference.statistics import delta_chi2_level, intervals
from malaphoric.physics.facts import STRONGEST
from malaphoric.physics.parameters import HATTED, M_X_RANGE, MASS, Parameter
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan.grid import round_step
from malaphoric.schema import ConfigurationError

# random points that are looked at first, and how many of them are followed down
_LOOKS, _FOLLOWED, _SEED = 8192, 48, 1

# part of the region's width that is added on both sides, and points of an axis
_MARGIN, _POINTS, _POINTS_OF_ANGLE, _MOST_POINTS = 0.15, {"epsilon_hat": 50, "g_hat": 70}, 80, 500

# The 68% region has this many steps of an axis or more: where the 95% region goes on in a narrow
# valley, the axis ends this many times further from the best fit than the 68% region (the 95%
# region of a parabola ends at 1.6).
_STEPS, _FURTHEST = 8, 3.0

# a parabola through three values of an angle is trusted while it dips by less, see `statistics`
_DIP = 0.5

# points of a grid that a user wants to wait for: three axes have fewer, four have more
_MOST_OF_GRID = 2_000_000


class Proposal(NamedTuple):
    """Ranges for a scan, and what they are found from.

    Attributes
    ----------
    grid : dict
        ``parameters`` of a run configuration, with epsilon_hat = 0 among their nodes and steps of
        the last that resolve chi2. Where that would be too many points, all but the first two
        axes are profiled instead.
    best : Fit
        The best fit.
    region : dict
        Its 95% region (two parameters), [low, high] by parameter, None where it ends at a physical
        limit only.
    cut : dict of str to int
        Parameters whose axis does not hold all of it, because it goes on in a narrow valley, and
        how many points the axis would need with the same steps.
    """

    grid: dict
    best: Fit
    region: dict[str, list[float | None]]
    cut: dict[str, int]


def propose(likelihood: ModelLikelihood) -> Proposal | None:
    """Ranges and numbers of points for a scan of a model.

    Parameters
    ----------
    likelihood : ModelLikelihood
        With the compiled engine.

    Returns
    -------
    Proposal or None
        None if no point is valid.

    Raises
    ------
    ConfigurationError
        If the model's file does not say what is physical of a parameter of the charges.
    """

    def chi2(points: np.ndarray) -> dict[str, np.ndarray]:
        return likelihood.chi2_of_few(points)

    wide, about = physical(likelihood), likelihood.model.records
    starts = minima(chi2, wide, _LOOKS, _FOLLOWED)
    found = fits.minimise(named(starts, wide), wide, chi2, about=about, everywhere=True)
    if not found:
        return None
    near, height = (delta_chi2_level(level, 2) for level in (0.68, 0.95))
    for refinements in (0, 3):  # the second time from the points of the first
        lines = {name: starts[np.argsort(starts[:, i])].tolist() for i, name in enumerate(wide)}
        curves = fits.profiles(found, lines, wide, chi2, [near, height], refinements)
        starts = np.concatenate([curve.points for curve in curves.values()])
        delta = np.concatenate([curve.chi2 for curve in curves.values()]) - found.chi2[GLOBAL]
        starts = starts[delta < 4 * height]
    region = {name: _ends(curve, height) for name, curve in curves.items()}
    grid, whole, cut = {}, {}, {}  # type: dict, dict[str, dict], dict[str, int]
    for name in wide:
        if name in found.undetermined and name not in HATTED:
            grid[name] = float(np.clip(0.0, *wide[name]))
            continue

        def axis(ends: list, name: str = name) -> dict:
            made = _axis(about[name], ends, wide, 1 / _POINTS.get(name, _POINTS_OF_ANGLE))
            if name in HATTED or name != list(wide)[-1]:
                return made
            share = _last_step(chi2, wide, starts, {**grid, name: made})
            return _axis(about[name], ends, wide, share)

        inner = _ends(curves[name], near)
        grid[name] = whole[name] = axis(region[name])
        if np.ptp(_filled(inner, wide[name])) < _STEPS * _step(whole[name]):
            grid[name] = axis(_without_valley(found.values[name], inner, region[name]))
        if grid[name] != whole[name]:
            width = whole[name]["max"] - whole[name]["min"]
            cut[name] = 1 + math.ceil(width / _step(grid[name]))
    if math.prod(grid[name]["points"] for name in whole) > _MOST_OF_GRID:
        for name in list(whole)[2:]:  # without steps, none is too wide
            grid[name] = {"min": whole[name]["min"], "max": whole[name]["max"], "profile": True}
            cut.pop(name, None)
    if likelihood.M_X is not None:
        grid[MASS] = likelihood.M_X
    return Proposal(grid, found, region, cut)


def text(grid: dict) -> str:
    """Parameters as the block of a run configuration."""
    rows = [f"  {name}: {as_yaml(value)}" for name, value in grid.items()]
    return "\n".join(["parameters:", *rows])


def as_yaml(value: float | dict) -> str:
    """A number, or min, max and points or profile, in YAML."""
    if not isinstance(value, dict):
        return f"{value:g}"
    last = f"points: {value['points']}" if "points" in value else "profile: true"
    return f"{{min: {value['min']:g}, max: {value['max']:g}, {last}}}"


def physical(likelihood: ModelLikelihood) -> Box:
    """|epsilon| <= 1, couplings up to sqrt(4 pi), ranges, angles and phases once round.

    Raises
    ------
    ConfigurationError
        If the model's file does not say what is physical of a parameter of the charges.
    """
    model, about = likelihood.model, likelihood.model.records
    for name in model.charge_parameters:
        if not about[name].range:
            raise ConfigurationError(
                f"model {model.name}: missing key parameters.{name}.range; accepted: [min, max], "
                "what is physical: there a box is looked for"
            )
    limit = M_REFERENCE / (likelihood.M_X or M_X_RANGE[0])
    ranges = {name: record.range for name, record in about.items() if record.range}
    strongest = STRONGEST * limit / (model.largest_charge(ranges) or 1.0)
    known = {"epsilon_hat": (-limit, limit), "g_hat": (0.0, strongest)}

    def limits(name: str) -> tuple[float, float]:
        if name in known:
            low, high = np.clip(known[name], *ranges.get(name, known[name])).tolist()
            return low, high
        if name in ranges:
            return ranges[name]
        period = about[name].period
        assert period is not None  # an angle or a phase
        return -period / 2, period / 2

    return {name: limits(name) for name in likelihood.parameters}


def minima(chi2: fits.Chi2, box: Box, looks: int, followed: int) -> np.ndarray:
    """Minima in a large box, found from random points.

    Parameters
    ----------
    chi2 : callable
        chi2 by category of points (n, n_parameters).
    box : dict
        From `physical`; a parameter whose limits are equal is held.
    looks, followed : int
        Random points that are looked at, and how many of them, the best, are followed down.

    Returns
    -------
    ndarray, shape (n, n_parameters)
        The lowest first; none that cannot be computed.
    """
    low, high = fits.limits_of(box)
    points = random_points(box, looks)
    values = chi2(points)[GLOBAL]
    points = points[np.argsort(np.where(np.isfinite(values), values, np.inf))[:followed]]
    points, values = fits.minima(
        lambda x: chi2(x)[GLOBAL], points, np.flatnonzero(low < high), low, high
    )
    return points[np.isfinite(values)][np.argsort(values[np.isfinite(values)])]


def random_points(box: Box, number: int) -> np.ndarray:
    """Random points of a large box (number, n_parameters), the same for each number."""
    names, (low, high) = list(box), fits.limits_of(box)
    unit = np.random.default_rng(_SEED).uniform(-1, 1, (number, len(names)))
    # more at small couplings and angles, where less is excluded
    for column, name in zip(unit.T, names, strict=True):
        if name == "g_hat":
            column[:] = 2 * column**2 - 1
        elif name not in (*HATTED, MASS):
            column **= 3
    return low + (unit + 1) / 2 * (high - low)


def named(points: np.ndarray, box: Box) -> list[dict[str, float]]:
    """Points (n, n_parameters) as values by parameter."""
    return [dict(zip(box, point, strict=True)) for point in points.tolist()]


def _ends(curve: Curve, height: float) -> list[float | None]:
    """Where a region begins and ends; None at a physical limit."""
    pieces = intervals(curve.values, curve.chi2, height)
    return [pieces[0][0], pieces[-1][1]]


def _filled(region: list[float | None], wide: tuple[float, float]) -> list[float]:
    """The ends of a region, the physical limits among them."""
    return [w if r is None else r for r, w in zip(region, wide, strict=True)]


def _without_valley(best: float, near: list, region: list) -> list[float | None]:
    """The part of a region that is not the far end of a narrow valley."""
    result = []
    for pick, inner, outer in zip((max, min), near, region, strict=True):
        furthest = outer if inner is None else best + _FURTHEST * (inner - best)
        result.append(furthest if outer is None else pick(outer, furthest))
    return result


def _step(axis: dict) -> float:
    return (axis["max"] - axis["min"]) / (axis["points"] - 1)


def _axis(about: Parameter, region: list, wide: Box, share: float) -> dict[str, float]:
    """A range that holds a region with a margin, and its points, zero among them if inside."""
    name = about.name
    low, high = _filled(region, wide[name])
    if name in HATTED:  # the unmixed model, and no coupling at all, belong to the picture
        low, high = min(low, 0.0), max(high, 0.0)
    margin = _MARGIN * (high - low)
    low, high = low - margin, high + margin
    if name == "g_hat":
        low = 0.0
    elif name == "epsilon_hat":  # beyond |epsilon| = 1, so that the limit is seen
        limit = wide[name][1]
        low, high = max(low, -1.2 * limit), min(high, 1.2 * limit)
    else:
        low, high = max(low, wide[name][0]), min(high, wide[name][1])
    step = round_step((high - low) * share)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if about.range:  # a configuration does not leave it
        first = max(first, math.ceil(about.range[0] / step - 1e-9))
        last = min(last, math.floor(about.range[1] / step + 1e-9))
    digits = max(0, 3 - math.floor(math.log10(step)))
    return {
        "min": round(first * step, digits),
        "max": round(last * step, digits),
        "points": last - first + 1,
    }


def _last_step(chi2: fits.Chi2, wide: Box, starts: np.ndarray, grid: dict) -> float:
    """Steps of the last angle, in widths of its axis, that resolve chi2 at the largest g_hat."""
    names, (low, high) = list(wide), fits.limits_of(wide)
    starts, g_hat = starts.copy(), names.index("g_hat")
    starts[:, g_hat] = grid["g_hat"]["max"]
    free = np.array([i for i in range(len(names)) if i != g_hat])

    def values(points: np.ndarray) -> np.ndarray:
        return chi2(points)[GLOBAL]

    points, minimum = fits.minima(values, starts, free, low, high)
    points = points[np.argsort(minimum)[:1]]
    curvature = fits.curvature(values, points, len(names) - 1, high[-1] - low[-1])[0]
    width = grid[names[-1]]["max"] - grid[names[-1]]["min"]
    step = math.sqrt(8 * _DIP / max(curvature, 1e-9))
    return min(max(step / width, 1 / _MOST_POINTS), 1 / _POINTS_OF_ANGLE)
