"""Best fits: chi2 minimised over the parameters inside a box, with errors and correlations.

Levels, p-values and what can be read off a stored scan are in `statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from malaphoric.data.categories import GLOBAL
from malaphoric.inference.results import MINIMISED, Curve, Fit, Fits, Minimum, ScanResult
from malaphoric.inference.statistics import delta_chi2_level, p_values_over, summary
from malaphoric.physics.parameters import BY_NAME, HATTED, MASS, Parameter, is_physical
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan.grid import Grid

#: chi2 by category of points (n, n_parameters).
Chi2 = Callable[[np.ndarray], dict[str, np.ndarray]]

#: Lowest and highest value of each parameter, in the order of the columns of points.
Box = dict[str, tuple[float, float]]

#: By the name of a fit, the parameters that it holds fixed, with their values.
Fixed = dict[str, dict[str, float]]

# steps of the numerical gradient, and first errors of minuit, in sizes of the parameters
_GRADIENT_STEP, _FIRST_ERROR = 5e-4, 0.25

# what is no dependence: this much chi2 over the whole box
_FLAT = 1e-3

# random points of a box that are looked at, how many of them are followed down, and what is lower
_LOOKS, _FOLLOWED, _SEED, _LOWER = 2048, 32, 1, 1e-3

# Other minima are named that are less than this above the lowest, behind a barrier, and not the
# same in every category, as the images of a minimum by a symmetry of the model are.
_NEAR, _BARRIER, _SAME = 4.0, 0.1, 1e-3

# What is nearer than this part of the box is one minimum, without asking chi2.
_TOGETHER = 1e-3


class ModelChi2(Protocol):
    """What is asked of a `loading.ModelLikelihood`."""

    M_X: float | None
    parameters: tuple[str, ...]

    def chi2_of_few(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """By category, of points (n, n_parameters), quick for few of them."""
        ...


def best_fits(
    grid: ScanResult,
    chi2_sm: dict[str, float],
    n_obs: dict[str, int],
    box: Box,
    wanted: Fixed,
    chi2: Chi2 | None = None,
    about: Mapping[str, Parameter] = BY_NAME,
) -> Fits:
    """Best fits of the Standard Model and of a model whose parameters are free or held fixed.

    Parameters
    ----------
    grid : ScanResult
        From `statistics.profile`: its best points are starting points.
    chi2_sm, n_obs : dict
        By category and "global".
    box : dict
        Limits of the parameters: what was scanned and is physical, see `physical_box`. A parameter
        whose limits are equal is not fitted.
    wanted : dict
        By the name of a fit, values of the parameters that it holds fixed; the last, the main fit,
        holds none. See `configuration.Configuration.fits`.
    chi2 : callable, optional
        chi2 by category of points (n, n_parameters). Without it the grid's points are the result.
    about : mapping, optional
        What is known of the parameters, see `Model.records`.

    Returns
    -------
    Fits
        Without notes, intervals and profiles; without a fit that no valid point belongs to.
    """
    sm = summary(Fit(chi2=dict(chi2_sm)), chi2_sm, n_obs)
    free = free_parameters(box)
    alone = {name: float(low) for name, (low, _) in box.items() if name not in free}
    result = Fits(held=wanted, fixed=alone, SM=sm)
    every = [grid.all[name] for name in (GLOBAL, *sorted(grid.all)) if name in grid.all]
    for name, fixed in wanted.items():
        own = grid.fits.get(name) if fixed else next(iter(every), None)
        nested = result.known_in(name)
        if not (inner := _held(box, fixed)):
            continue
        if chi2:
            # chi2 can be minimised at fixed values whether the grid has them or not
            first = [point.values for point in ([own] if own else every)]
            mirrored = [other for start in first for other in _mirrored(start, box)]
            lower = [fit.values for n, fit in nested.items() if n != "SM"]
            others = [] if fixed else [point.values for point in every]
            starts = [*first, *mirrored, *lower, *others] if first else []
            found = minimise(starts, inner, chi2, about=about, everywhere=True)
        else:
            found = _of_grid(own, inner) if own else None
        if found:
            fit = summary(found, chi2_sm, n_obs)
            result.found[name] = replace(fit, p_value_over=p_values_over(fit, nested))
    if not (result.main and chi2 and "LEP2" in chi2_sm and len(chi2_sm) > 2):
        return result
    # where the corrected LEP2 moves the best fit; p-values would count its data
    found = minimise([result.main.values], box, chi2, "LEP2", about)
    other = found and replace(summary(found, chi2_sm, n_obs), dof=None, p_value=None)
    return replace(result, without_LEP2=other)


def _of_grid(point: Minimum, box: Box) -> Fit:
    """A point of the grid as a fit in a box."""
    values = {name: point.values[name] for name in box}
    free = len(free_parameters(box))
    return Fit(method="best point of the grid", values=values, chi2=point.chi2, parameters=free)


def _held(box: Box, fixed: dict[str, float]) -> Box | None:
    """The part of a box in which parameters are held fixed; None if it has none."""
    if any(not box[name][0] <= value <= box[name][1] for name, value in fixed.items()):
        return None
    held = {**box, **{name: (value, value) for name, value in fixed.items()}}
    if MASS in fixed:  # now |epsilon| <= 1 is one limit
        limit = M_REFERENCE / fixed[MASS]
        low, high = held["epsilon_hat"]
        held["epsilon_hat"] = max(low, -limit), min(high, limit)
    return held


def _mirrored(point: dict[str, float], box: Box) -> list[dict[str, float]]:
    """A point with the other sign of epsilon_hat, and of each angle that may have both."""
    both = [name for name, (low, high) in box.items() if low < 0 < high and name != "epsilon_hat"]
    return [{**point, name: -point[name]} for name in ("epsilon_hat", *both)]


def physical_box(
    grid: Grid, M_X: float | None, profiled: Box | None = None, names: Iterable[str] = ()
) -> Box:
    """Limits of a fit: the scanned box, within |epsilon| <= 1.

    Parameters
    ----------
    grid : Grid
    profiled : dict, optional
        Limits of the parameters that are not on the grid.
    names : iterable of str, optional
        All parameters in the order of the columns of points (default: those of the grid).
    M_X : float or None
        In GeV; None where it is a parameter: then |epsilon| <= 1 at its smallest value, and what
        is beyond at larger ones is left to chi2.
    """
    known = {name: (float(a[0]), float(a[-1])) for name, a in grid.named.items()}
    known |= {name: (low, high) for name, (low, high) in (profiled or {}).items()}
    box = {name: known[name] for name in names or known}
    limit = M_REFERENCE / (M_X or box[MASS][0])
    low, high = box["epsilon_hat"]
    return {**box, "epsilon_hat": (max(low, -limit), min(high, limit))}


def physical_chi2(likelihood: ModelChi2) -> Chi2:
    """chi2 of few points by an `loading.ModelLikelihood`, NaN where |epsilon| > 1.

    A box has such points where M_X is a parameter, too.
    """
    if likelihood.M_X is not None:
        return likelihood.chi2_of_few

    def chi2(points: np.ndarray) -> dict[str, np.ndarray]:
        inside = physical(likelihood, points)
        found = likelihood.chi2_of_few(points)
        return {name: np.where(inside, values, np.nan) for name, values in found.items()}

    return chi2


def physical(likelihood: ModelChi2, points: np.ndarray) -> np.ndarray:
    """Whether |epsilon| <= 1 at points of an `loading.ModelLikelihood`, shape (n,).

    In a box only points with M_X as a parameter may be beyond.
    """
    if likelihood.M_X is not None:
        return np.ones(len(points), dtype=bool)
    return np.asarray(is_physical(dict(zip(likelihood.parameters, points.T, strict=True))))


def free_parameters(box: Box) -> tuple[str, ...]:
    """Names of the parameters that a box leaves free."""
    return tuple(name for name, (low, high) in box.items() if low < high)


def limits_of(box: Box) -> np.ndarray:
    """Lowest and highest values of a box, shape (2, n_parameters)."""
    return np.array(list(box.values())).T


def minimise(
    starts: list[dict[str, float]],
    box: Box,
    chi2: Chi2,
    without: str | None = None,
    about: Mapping[str, Parameter] = BY_NAME,
    everywhere: bool = False,
) -> Fit | None:
    """Minimise the global chi2 from several starting points, values by parameter.

    A category can be left out of what is minimised (`without`). Minima are also looked for
    `everywhere` in the box, from random points, and others than the lowest are listed in
    ``other_minima``. The fit is not compared with the Standard Model yet (`statistics.summary`).
    None without a starting point, or if nothing valid is found.
    """
    low, high = limits_of(box)
    if not starts or (low > high).any():  # a box beyond |epsilon| = 1
        return None
    points = np.array([[start[name] for name in box] for start in starts])
    points = np.unique(np.clip(points, low, high), axis=0)
    problem = _Problem(chi2, box, without, about)
    if problem.free:
        fit = _minimised(points, problem, everywhere)
    else:
        only = problem.at(points[0])
        fit = Fit(method="the only point", values=only.values, chi2=only.chi2)
    return fit if np.isfinite(fit.chi2[GLOBAL]) else None


class _Problem:
    """What is minimised, in which box."""

    def __init__(
        self, chi2: Chi2, box: Box, without: str | None, about: Mapping[str, Parameter]
    ) -> None:
        self.chi2, self.box, self.without = chi2, box, without
        self.names, self.free = tuple(box), free_parameters(box)
        self.columns = np.array([self.names.index(name) for name in self.free])
        self.low, self.high = limits_of(box)
        self.sizes = np.array([about[name].size for name in box])
        self.steps = _GRADIENT_STEP * self.sizes
        self.periods = {
            n: about[n].period or 0.0 for n in self.free if about[n].is_all_round(*box[n])
        }

    def values(self, points: np.ndarray) -> np.ndarray:
        """chi2 (n,) of points (n, n_parameters)."""
        by_category = self.chi2(points)
        result = by_category[GLOBAL] - (by_category[self.without] if self.without else 0)
        return np.where(np.isfinite(result), result, 1e6)  # a wall: no CKM elements there

    def _gradient(self, x: np.ndarray) -> np.ndarray:
        # all at once: the engine computes many points in the time of one
        shifts, number = np.diag(self.steps), len(x)
        both = self.values(np.concatenate([x + shifts, x - shifts]))
        return (both[:number] - both[number:]) / (2 * self.steps)

    def minima(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where starting points (n, n_parameters) lead to, and chi2 there."""
        return minima(self.values, points, self.columns, self.low, self.high)

    def looks(self) -> np.ndarray:
        """The best of many random points of the box."""
        points = np.random.default_rng(_SEED).uniform(self.low, self.high, (_LOOKS, len(self.low)))
        return points[np.argsort(self.values(points), kind="stable")[:_FOLLOWED]]

    def minimum(self, start: np.ndarray) -> Any:
        """A Minuit at the minimum that a point leads to, across the border of a period, too."""
        found = self._migrad(start)
        for name in self.periods.keys() & set(self.at_limit(np.array(found.values))):
            other, i = np.array(found.values), self.names.index(name)
            other[i] -= np.copysign(self.periods[name], other[i] - (self.low + self.high)[i] / 2)
            across = self._migrad(np.clip(other, self.low, self.high))
            found = across if across.valid and across.fval < found.fval else found
        return found

    def _migrad(self, start: np.ndarray) -> Any:
        """A Minuit at the minimum that a point (n_parameters,) leads to."""
        from iminuit import Minuit

        def objective(x: np.ndarray) -> float:
            return float(self.values(np.atleast_2d(x))[0])

        minuit = Minuit(objective, start, grad=self._gradient, name=self.names)
        minuit.errordef = Minuit.LEAST_SQUARES
        for name in self.free:
            minuit.limits[name] = self.box[name]
        minuit.errors = _FIRST_ERROR * self.sizes
        for name in self.names:
            minuit.fixed[name] = name not in self.free
        return minuit.migrad()

    def at(self, point: np.ndarray) -> Minimum:
        """A point (n_parameters,) with its chi2."""
        chi2 = {name: float(x[0]) for name, x in self.chi2(point[np.newaxis]).items()}
        return Minimum(dict(zip(self.names, point.tolist(), strict=True)), chi2)

    def at_limit(self, point: np.ndarray) -> list[str]:
        """Free parameters of a point (n_parameters,) that are at a limit of the box."""
        edge = np.minimum(point - self.low, self.high - point) < 1e-3 * (self.high - self.low)
        return [name for name in self.free if edge[self.names.index(name)]]

    def other_minima(
        self, best: np.ndarray, points: np.ndarray, height: np.ndarray
    ) -> list[Minimum]:
        """Minima other than the best (n_parameters,) that points (n, n_parameters) have led to."""
        seen, found = [best], []
        ceiling = self.values(best[np.newaxis])[0] + _NEAR
        for point in points[np.argsort(height, kind="stable")][: np.sum(height < ceiling)]:
            if any(self._is_same(point, other) for other in seen):
                continue
            minuit = self.minimum(point)
            place = np.array(minuit.values)
            new = minuit.valid and minuit.fval < ceiling
            new = new and not any(self._is_same(place, other) for other in seen)
            seen += [point, place]
            if new:
                found.append(replace(self.at(place), at_limit=self.at_limit(place)))
        return sorted(found, key=lambda other: other.chi2[GLOBAL])

    def _is_same(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Whether points are one minimum, or images of each other by a symmetry of the model."""
        if (abs(a - b) < _TOGETHER * (self.high - self.low))[self.columns].all():
            return True
        line = np.linspace(a, b, 33)
        height = self.values(line)
        if height.max() < max(height[0], height[-1]) + _BARRIER:
            return True
        return all(abs(x[0] - x[1]) < _SAME for x in self.chi2(line[[0, -1]]).values())


def _minimised(points: np.ndarray, problem: _Problem, everywhere: bool) -> Fit:
    """The lowest minimum that the given points lead to, as iminuit has it, with errors."""
    names, box, free = problem.names, problem.box, problem.free
    place, height = problem.minima(points)
    start = place[height.argmin()]
    if everywhere:
        more, level = problem.minima(problem.looks())
        if level.min() < height.min() - _LOWER:
            start = more[level.argmin()]
        place, height = np.concatenate([place, more]), np.concatenate([height, level])
    best = problem.minimum(start)
    minimum = np.array(best.values)
    undetermined = _undetermined(problem.values, minimum, box, free)
    determined = [name for name in free if name not in undetermined]
    columns = [names.index(name) for name in determined]
    covariance = _covariance(problem.values, minimum, columns, problem.steps)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(errors, errors)
    found = problem.at(minimum)
    return Fit(
        method=MINIMISED,
        values=found.values,
        chi2=found.chi2,
        errors=dict(zip(determined, errors.tolist(), strict=True)),
        correlations={
            f"{a},{b}": float(correlation[i, j])
            for i, a in enumerate(determined)
            for j, b in enumerate(determined[i + 1 :], i + 1)
        },
        undetermined=undetermined,
        valid=bool(best.valid),
        at_limit=problem.at_limit(minimum),
        other_minima=problem.other_minima(minimum, place, height) if everywhere else [],
        parameters=len(free),
    )


def _undetermined(
    chi2: Callable[[np.ndarray], np.ndarray], x: np.ndarray, box: Box, free: tuple[str, ...]
) -> list[str]:
    """Parameters that chi2 does not depend on, the others being where they are."""
    result = []
    for name in free:
        line = np.repeat(x[np.newaxis], 16, axis=0)
        line[:, list(box).index(name)] = np.linspace(*box[name], len(line))
        if np.ptp(chi2(line)) < _FLAT:
            result.append(name)
    return result


def _covariance(
    chi2: Callable[[np.ndarray], np.ndarray], x: np.ndarray, free: list[int], steps: np.ndarray
) -> np.ndarray:
    """Covariance of the free parameters from the second derivatives of chi2 at its minimum.

    Where parameters are as correlated as ours Minuit's own steps are small: it is off by 30%. NaN
    where chi2 does not depend on a parameter.
    """
    unit = np.eye(len(x))[free]
    steps = steps[free]
    for _ in range(3):  # to a fifth of the error that each parameter has with the others fixed
        shift = steps[:, np.newaxis] * unit
        second = (chi2(x + shift) + chi2(x - shift) - 2 * chi2(x[np.newaxis])) / steps**2
        with np.errstate(divide="ignore"):
            steps = np.where(second > 0, 0.2 * np.sqrt(2 / np.abs(second)), 10 * steps)
    shift = steps[:, np.newaxis] * unit
    corners = [
        x + a * shift[:, None] + b * shift[None] for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ]
    values = chi2(np.concatenate([c.reshape(-1, len(x)) for c in corners]))
    plus, mixed, other, minus = values.reshape(4, len(free), len(free))
    hessian = (plus - mixed - other + minus) / (4 * np.outer(steps, steps))
    if np.linalg.matrix_rank(hessian) < len(free):
        return np.full_like(hessian, np.nan)
    return np.linalg.inv(hessian / 2)


# ------------------------------------------------------------------------------ minimised profiles

#: Values of a parameter at which its profile is minimised: of the grid, and around the best fit.
_MOST_VALUES = 24
_AROUND = np.array([0.0, 0.25, 0.5, 0.8, 1.1, 1.5, 2.0, 2.5, 3.0, 4.0])

# Steps of numerical derivatives, in widths of the box.
_STEP = 1e-4


def best_fits_with_profiles(
    grid: ScanResult,
    chi2_sm: dict[str, float],
    n_obs: dict[str, int],
    box: Box,
    wanted: Fixed,
    chi2: Chi2,
    levels: Iterable[float],
    about: Mapping[str, Parameter] = BY_NAME,
) -> Fits:
    """Best fits and the minimised profiles around the main one.

    A profile that finds a lower minimum than the fit is where the fit starts again. Parameters as
    for `best_fits` and `profiles`.

    Returns
    -------
    Fits
        Without notes and intervals, and without profiles where there is no main fit.
    """
    heights = [delta_chi2_level(level, 1) for level in levels]
    for _ in range(3):
        found = best_fits(grid, chi2_sm, n_obs, box, wanted, chi2, about)
        if not (fit := found.main):
            break
        curves = profiles(fit, _ordered(grid, box), box, chi2, heights)
        found = replace(found, profiles=curves)
        every = [
            (height, point)
            for curve in curves.values()
            for height, point in zip(curve.chi2.tolist(), curve.points.tolist(), strict=True)
        ]
        lowest, point = min(every, default=(np.inf, []))
        if lowest > fit.chi2[GLOBAL] - 1e-3:
            break
        lower = Minimum(dict(zip(box, point, strict=True)), {GLOBAL: lowest})
        grid = replace(grid, all={**grid.all, "profile": lower})
    return found


def _ordered(grid: ScanResult, box: Box) -> dict[str, np.ndarray]:
    """Points of the grid's lines (n, n_parameters) in the order of the columns of points."""
    order = [grid.columns.index(name) for name in box]
    shape = (-1, len(order))
    return {name: np.array(grid.lines.get(name, [])).reshape(shape)[:, order] for name in box}


def profiles(
    fit: Fit,
    lines: Mapping[str, np.ndarray | list],
    box: Box,
    chi2: Chi2,
    heights: list[float],
    refinements: int = 8,
) -> dict[str, Curve]:
    """Profile chi2 of each free parameter: the others are minimised, not read off a grid.

    Parameters
    ----------
    fit : Fit
        The best fit.
    lines : dict
        By parameter, points (n, n_parameters) of the grid where its profile is, from
        `statistics.profile`: starting points, so that separate minima are found.
    box : dict
        From `physical_box`; nothing leaves it.
    chi2 : callable
        chi2 by category of points (n, n_parameters).
    heights : list of float
        Heights above the minimum where the profile is needed precisely.
    refinements : int
        How often the values at these heights are improved; 3 give them to a percent.

    Returns
    -------
    dict of str to Curve
        By free parameter, with points; those that cannot be computed are left out.
    """
    names, (low, high) = tuple(box), limits_of(box)
    seen = [fit.values, *(other.values for other in fit.other_minima)]
    minima_of_fit = np.array([[values[name] for name in names] for values in seen])
    best = minima_of_fit[0]
    free = np.array([names.index(name) for name in free_parameters(box)])
    angles = [i for i in free if names[i] not in (*HATTED, MASS)]
    mirrors = [np.where(np.arange(len(names)) == i, -1, 1) for i in angles]
    weak = np.where(np.array(names) == "g_hat", low, best)

    def values(points: np.ndarray) -> np.ndarray:
        return chi2(points)[GLOBAL]

    found = {}
    for i in free:
        others = free[free != i]
        grid = np.array(lines[names[i]]).reshape(-1, len(names))
        error = np.nan_to_num(fit.errors.get(names[i], 0.0))
        # a parameter that is not on the grid has valleys that nobody has seen, and hills between
        own = grid[:: -(-len(grid) // _MOST_VALUES) or 1, i]
        known = len(grid) > 0
        own = own if known else np.linspace(low[i], high[i], _MOST_VALUES)
        around = best[i] + error * np.concatenate([-_AROUND, _AROUND])
        ends = [low[i], high[i]]
        trial = np.concatenate([own, around, minima_of_fit[:, i], ends])
        trial = np.unique(np.clip(trial, *ends))
        grid = grid if known else best[np.newaxis]
        near = grid[np.abs(grid[:, i] - trial[:, np.newaxis]).argmin(axis=1)]
        every = [near, *(np.tile(x, (len(trial), 1)) for x in minima_of_fit)]
        if not known:  # with a weak coupling the CKM extraction succeeds everywhere
            every.append(np.tile(weak, (len(trial), 1)))
        every += [near * mirror for mirror in mirrors]
        curve = _Profile(i, len(names), partial(minima, values, free=others, low=low, high=high))
        curve.add(trial, np.stack(every, axis=1))
        curve.spread()
        for _ in range(refinements):
            curve.refine(heights)
        found[names[i]] = curve.known()
    return found


class _Profile:
    """The profile of a parameter at more and more of its values."""

    def __init__(self, axis: int, n_parameters: int, minima: Callable) -> None:
        self.axis, self.minima = axis, minima
        self.points, self.chi2 = np.empty((0, n_parameters)), np.empty(0)

    def add(self, values: np.ndarray, starts: np.ndarray) -> None:
        """Minimise at values (n,) from starting points (n, m, n_parameters)."""
        starts = starts.copy()
        starts[..., self.axis] = values[:, np.newaxis]
        points, chi2 = self.minima(starts.reshape(-1, starts.shape[-1]))
        points, chi2 = points.reshape(starts.shape), chi2.reshape(starts.shape[:2])
        best = np.arange(len(values)), chi2.argmin(axis=1)
        self._merge(points[best], chi2[best])

    def _merge(self, points: np.ndarray, chi2: np.ndarray) -> None:
        points = np.concatenate([self.points, points])
        chi2 = np.concatenate([self.chi2, chi2])
        order = np.lexsort((chi2, points[:, self.axis]))
        first = np.diff(points[order, self.axis], prepend=-np.inf) > 0
        self.points, self.chi2 = points[order][first], chi2[order][first]

    def spread(self) -> None:
        """Start from the minima of both neighbours, as long as that leads further down."""
        rows = np.arange(len(self.chi2))
        while rows.size:
            before = self.chi2.copy()
            both = np.clip(np.stack([rows - 1, rows + 1], axis=1), 0, len(before) - 1)
            self.add(self.points[rows, self.axis], self.points[both])
            changed = np.flatnonzero(self.chi2 < before - 1e-3)
            rows = np.intersect1d(
                np.concatenate([changed - 1, changed + 1]), np.arange(len(before))
            )

    def refine(self, heights: list[float]) -> None:
        """Add the values where the profile seems to cross one of the heights."""
        x, delta = self.points[:, self.axis], self.chi2 - self.chi2.min()
        near = 1e-3 * (x[-1] - x[0])
        values, starts = [], []
        for height in heights:
            y = np.where(np.isfinite(delta), delta, np.nan) - height
            for k in np.flatnonzero(y[:-1] * y[1:] < 0):
                where = x[k] + (x[k + 1] - x[k]) * y[k] / (y[k] - y[k + 1])
                if min(abs(y[k]), abs(y[k + 1])) > 1e-3 or x[k + 1] - x[k] > near:
                    values.append(where)
                    starts.append(self.points[[k, k + 1]])
        if values:
            self.add(np.array(values), np.array(starts))

    def known(self) -> Curve:
        """The curve where it could be computed."""
        known = np.isfinite(self.chi2)
        points = self.points[known]
        return Curve(points[:, self.axis], self.chi2[known], points)


def minima(
    chi2: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    free: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minima from many starting points at once: the engine needs many points to be quick.

    Newton steps in the free columns inside the limits (n_parameters,), or those of every point
    (n, n_parameters), shortened until chi2 falls; `progress` is told how many are found. Returns
    points (n, n_parameters) and their chi2 (n,), infinite where a start cannot be computed.
    """
    x = np.clip(starts, low, high)
    low, high = (np.broadcast_to(limit, x.shape)[:, free] for limit in (low, high))
    width = high - low
    value, gradient, hessian = _derivatives(chi2, x, free, width)
    length = np.ones(len(x))
    going = np.isfinite(value) & (len(free) > 0)
    for _ in range(40):
        rows = np.flatnonzero(going)
        if not rows.size:
            break
        here, g, wide = x[rows][:, free], gradient[rows], width[rows]
        # a parameter at a limit stays there while chi2 falls beyond
        stuck = ((here <= low[rows]) & (g > 0)) | ((here >= high[rows]) & (g < 0))
        g = np.where(stuck, 0, g)
        h = np.where(stuck[:, :, None] | stuck[:, None, :], 0, hessian[rows])
        curvature, directions = np.linalg.eigh(h)
        curvature = np.maximum(np.abs(curvature), _FLAT)
        # sums in one order, however many points there are
        along = (directions * g[:, :, np.newaxis]).sum(axis=1)
        step = -(directions * (along / curvature)[:, np.newaxis]).sum(axis=2)
        gain = np.sum(along**2 / curvature, axis=1) / 2
        step *= (length[rows] * np.minimum(1, 0.3 / np.maximum(np.abs(step).max(axis=1), 1e-9)))[
            :, None
        ]
        trial = x[rows]
        trial[:, free] = np.clip(here + step * wide, low[rows], high[rows])
        found = chi2(trial)
        lower = found < value[rows]
        length[rows] = np.where(lower, 1, length[rows] / 4)
        done = (gain < 1e-6) | (length[rows] < 1e-4)
        x[rows[lower]], value[rows[lower]] = trial[lower], found[lower]
        going[rows[done]] = False
        onward = rows[lower & ~done]  # derivatives of no others: they are a dozen points each
        if onward.size:
            slopes = _derivatives(chi2, x[onward], free, width[onward], value[onward])
            _, gradient[onward], hessian[onward] = slopes
        progress(len(x) - int(going.sum()))
    return x, value


def curvature(
    chi2: Callable[[np.ndarray], np.ndarray], points: np.ndarray, axis: int, width: float
) -> np.ndarray:
    """Second derivative of chi2 with respect to one parameter at points (n, n_parameters)."""
    *_, hessian = _derivatives(chi2, points, np.array([axis]), np.array([width]))
    return hessian[:, 0, 0] / width**2


def _derivatives(
    chi2: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    free: np.ndarray,
    width: np.ndarray,
    known: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """chi2 and its first and second derivatives in the free columns, in widths of the box.

    ``known``: chi2 at the points themselves, if it is.
    """
    n, d = len(x), len(free)
    pairs = np.array([(i, j) for i in range(d) for j in range(i)], dtype=int).reshape(-1, 2)
    unit = np.eye(d)
    diagonal = unit[pairs].sum(axis=1)
    offsets = _STEP * np.concatenate([unit, -unit, diagonal, -diagonal])
    if known is None:
        offsets = np.concatenate([np.zeros((1, d)), offsets])
    points = np.repeat(x[:, np.newaxis], len(offsets), axis=1)
    points[..., free] += offsets * np.broadcast_to(width, (n, d))[:, np.newaxis]
    values = chi2(points.reshape(-1, x.shape[1])).reshape(n, -1)
    if known is not None:
        values = np.concatenate([known[:, np.newaxis], values], axis=1)
    values = np.where(np.isfinite(values), values, np.inf)
    middle = values[:, :1]
    up, down = values[:, 1 : d + 1], values[:, d + 1 : 2 * d + 1]
    with np.errstate(invalid="ignore"):
        # beside a wall (no CKM elements) the other side has to do
        up, down = (np.where(np.isinf(a), 2 * middle - b, a) for a, b in ((up, down), (down, up)))
        both = values[:, 2 * d + 1 :].reshape(n, 2, -1).sum(axis=1)
        mixed = both - up[:, pairs].sum(axis=2) - down[:, pairs].sum(axis=2) + 2 * middle
        second = up + down - 2 * middle
    hessian = np.zeros((n, d, d))
    hessian[:, range(d), range(d)] = second
    hessian[:, pairs[:, 0], pairs[:, 1]] = hessian[:, pairs[:, 1], pairs[:, 0]] = mixed / 2
    gradient, hessian = (up - down) / (2 * _STEP), hessian / _STEP**2
    gradient, hessian = (np.where(np.isfinite(a), a, 0) for a in (gradient, hessian))
    return middle[:, 0], gradient, hessian
