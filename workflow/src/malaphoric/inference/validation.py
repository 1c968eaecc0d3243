"""The compiled engine held against the exact one: at which points, and what is accepted.

Who evaluates the points, and draws the errors, is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from malaphoric import store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import categories
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.protocol import Evaluation
from malaphoric.inference.fits import Box, limits_of, physical_box
from malaphoric.physics.parameters import BY_NAME, MASS, Parameter
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan.grid import Grid

#: Accepted |chi2_compiled - chi2_exact| where the exact global chi2 is within 100, and within 400,
#: of the best fit.
BOUNDS = {category.name: category.bounds for category in categories.RECORDS}

_REACH = (100.0, 400.0)

#: Accepted error of a prediction, in units of max(|prediction|, total uncertainty).
PREDICTION_BOUND = 1e-4

#: The same for observables that a configuration includes beyond smelli's: some are of second order
#: in coefficients whose table is of first order.
ADDITIONAL_BOUND = 1e-2

#: flavio integrates these with a relative accuracy of 0.005 by adaptive subdivision, and the end
#: point lies inside the bin: its own numbers jump by up to 3e-4 when the subdivision changes.
NOISY = {("<BR>(B->Xsmumu)", 14.2, 25.0): 3e-4, ("<BR>(B->Xsee)", 14.2, 25.0): 3e-4}

#: How close to the boundary of the CKM extraction the engines may disagree, in cos(gamma).
CKM_MARGIN = 1e-3

#: Random points looked at, or this many for each that is asked for.
_SEARCH, _SEARCH_EACH = 2**14, 16

#: Best fits are rounded to sizes of the parameters, halved until chi2 rises by no more than this:
#: data that move a best fit a little do not move the point.
_HALVINGS, _MOST_RISE = 8, 10.0

#: chi2 of points (n, n_parameters), NaN where there is none.
Chi2 = Callable[[np.ndarray], np.ndarray]


def box_of(
    grid: Grid, M_X: float | None, profiled: Box | None = None, names: tuple[str, ...] = ()
) -> Box:
    """The box of a grid: its physical part, |epsilon| <= 1, if it has one.

    Parameters
    ----------
    grid : Grid
    M_X : float or None
        In GeV; None where it is a parameter.
    profiled, names
        As for `fits.physical_box`.
    """
    box = physical_box(grid, M_X, profiled, names)
    low, high = box["epsilon_hat"]
    if low <= high:
        return box
    axis = grid.named["epsilon_hat"]
    return {**box, "epsilon_hat": (float(axis[0]), float(axis[-1]))}


class Fresh(NamedTuple):
    """Fresh points (n, n_parameters), the smallest chi2 known, and what they are in a sentence."""

    points: np.ndarray
    minimum: float | None
    said: str


def fresh_points(
    box: Box,
    M_X: float | None,
    number: int,
    seed: int,
    chi2: Chi2,
    minimum: float | None = None,
    about: Mapping[str, Parameter] = BY_NAME,
) -> Fresh:
    """Random points with CKM elements, half of them within 100 of the best fit.

    The others are within 400 as far as there are enough, else anywhere. Where a bounded search
    finds fewer than asked for, or none, these are all. They depend as little as can be on box and
    data: exact points are expensive, and are found again at the same place.

    Parameters
    ----------
    box : dict
        Limits of the parameters, see `box_of`.
    M_X : float or None
        In GeV; None where it is one of them.
    number, seed : int
        Points asked for, and where the sequence of random numbers starts.
    chi2 : callable
        Global chi2 by the compiled engine.
    minimum : float, optional
        That of the best fit (default: the smallest that is found).
    about : mapping, optional
        What is known of the parameters, see `Model.records`.
    """
    points = _candidates(box, M_X, seed, max(_SEARCH, _SEARCH_EACH * number), about)
    values, half = np.full(len(points), np.nan), -(-number // 2)
    for start in range(0, len(points), BLOCK):
        block = slice(start, start + BLOCK)
        values[block] = chi2(points[block])
        lowest = -np.inf if minimum is None else minimum
        within = [np.sum(values <= lowest + reach) for reach in _REACH]
        if within[0] >= half and within[1] >= number:
            break
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        said = f"nothing to check: none of {len(points)} random points in the box has CKM elements"
        return Fresh(np.empty((0, len(box))), minimum, said)
    minimum = float(values[known].min()) if minimum is None else minimum
    near = known[values[known] <= minimum + _REACH[0]][:half]
    others = np.setdiff1d(known, near)
    others = others[np.argsort(values[others] > minimum + _REACH[1], kind="stable")]
    chosen = np.sort(np.append(near, others[: number - len(near)]))
    few = f" of {number} asked for" if len(chosen) < number else ""
    inside = np.sum(values[chosen] <= minimum + _REACH[0])
    said = f"{len(chosen)} fresh points{few}, {inside} of them within 100 of the best fit"
    return Fresh(points[chosen], minimum, said)


def _candidates(
    box: Box, M_X: float | None, seed: int, number: int, about: Mapping[str, Parameter]
) -> np.ndarray:
    """Random points of a box: first those of a sequence that runs with other boxes share."""
    low, high = limits_of(box)
    limit = M_REFERENCE / (M_X or box[MASS][0])
    usual = {name: (about[name].period or 64 * about[name].size) / 2 for name in box}
    usual |= {"epsilon_hat": limit, "g_hat": 1.0}
    wide = np.array([usual[name] for name in box])
    reach = np.maximum(np.abs(low), np.abs(high))
    wide = wide * 2.0 ** np.ceil(np.log2(np.maximum(reach / wide, 1)))
    shared = np.random.default_rng(seed).uniform(-1, 1, (number, len(box))) * wide
    positive = [name in ("g_hat", MASS) for name in box]
    shared[:, positive] = np.abs(shared[:, positive])
    shared = np.where(low == high, low, shared)
    shared = shared[np.all((low <= shared) & (shared <= high), axis=1)]
    own = np.random.default_rng([seed, 1]).uniform(low, high, (number, len(box)))
    return np.concatenate([shared[: number // 2], own])[:number]


def near_fit(
    fit: np.ndarray, box: Box, chi2: Chi2, about: Mapping[str, Parameter] = BY_NAME
) -> np.ndarray:
    """The point of a coarse lattice near a best fit (n_parameters,), or the fit itself, as a row.

    The lattice is made finer until chi2 there is close to that of the fit and no parameter
    vanishes, which would switch off what is to be checked. Parameters as for `fresh_points`.
    """
    low, high = limits_of(box)
    sizes = np.array([about[name].size for name in box])
    for halvings in range(_HALVINGS + 1):
        step = sizes / 2**halvings
        point = np.round(np.clip(np.round(fit / step) * step, low, high), 12) + 0.0
        point = np.where((low == high) | (fit == 0), fit, point)
        at_fit, at_point = chi2(np.stack([fit, point]))
        if at_point - at_fit <= _MOST_RISE and np.array_equal(point == 0, fit == 0):
            return point[np.newaxis]
    return fit[np.newaxis]


class Errors(NamedTuple):
    """Errors of the compiled engine at points evaluated by both.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        Exact global chi2 - that of the best fit.
    chi2 : dict of str to ndarray, shape (n,)
        |compiled - exact| by category.
    observables : dict of int to float
        Largest error of each prediction that counts within a distance of 400, in units of
        max(|prediction|, total uncertainty), by its column.
    failures : list of str
        Sentences; empty if all bounds hold.
    """

    distance: np.ndarray
    chi2: dict[str, np.ndarray]
    observables: dict[int, float]
    failures: list[str]


def compare(
    exact: dict, compiled: Evaluation, data: Likelihood, minimum: float, additional: Collection = ()
) -> Errors:
    """Errors of the compiled engine at points evaluated by both.

    Parameters
    ----------
    exact : dict
        Exact results, as `chunks.read_points` returns them.
    compiled : Evaluation
        Compiled results at the same points.
    data : Likelihood
        Of the categories that count: what they measure is judged.
    minimum : float
        Smallest global chi2 of the scan.
    additional : collection
        Observables that are not smelli's.
    """
    names = [*data.categories, categories.GLOBAL]
    distance = exact["chi2"][:, names.index(categories.GLOBAL)] - minimum
    ours = data.chi2(compiled.predictions)
    errors = {c: np.abs(ours[c] - exact["chi2"][:, names.index(c)]) for c in data.categories}
    failures = []
    for index, (theirs, mine) in enumerate(zip(exact["reason"], compiled.reason, strict=True)):
        point = tuple(exact["points"][index].tolist())
        known = exact["ckm"][index, 3] if theirs == "" else compiled.ckm[index, 3]
        if theirs not in ("", "ckm"):
            failures.append(f"{point}: the exact engine reports {theirs}")
        elif theirs != mine and abs(np.cos(known)) < 1 - CKM_MARGIN:
            failures.append(f"{point}: CKM extraction: exact {theirs!r}, compiled {mine!r}")
    both = np.isfinite(distance) & (compiled.reason == "")
    for category, values in errors.items():
        for reach, bound in zip(_REACH, BOUNDS[category], strict=True):
            for index in np.flatnonzero(both & (distance <= reach)).tolist():
                if not values[index] <= bound:
                    failures.append(
                        f"{tuple(exact['points'][index].tolist())}: {category} is off by "
                        f"{values[index]:.2g}, accepted: {bound:g} at chi2 - chi2_min = "
                        f"{distance[index]:.1f}"
                    )
    rows = both & (distance <= _REACH[1])
    uncertainty = data.measured()[1]
    columns = np.flatnonzero(np.isfinite(uncertainty))
    theirs, mine = (x[rows][:, columns] for x in (exact["predictions"], compiled.predictions))
    relative = np.abs(mine - theirs) / np.maximum(np.abs(theirs), uncertainty[columns])
    worst = dict(zip(columns.tolist(), relative.max(axis=0, initial=0.0).tolist(), strict=True))
    for place, (column, value) in enumerate(worst.items()):
        name = data.observables[column]
        bound = ADDITIONAL_BOUND if name in additional else NOISY.get(name, PREDICTION_BOUND)
        if not value <= bound:
            failures.append(
                f"prediction of {categories.observable_key(name)} is off by "
                f"{value:.3g} of max(|prediction|, uncertainty), accepted: {bound:g}; "
                f"worst at {tuple(exact['points'][rows][np.argmax(relative[:, place])].tolist())}"
            )
    return Errors(distance, errors, worst, failures)


def write_tables(
    result: Errors,
    names: tuple[str, ...],
    points: np.ndarray,
    observables: list,
    by_point: str,
    by_observable: str,
) -> None:
    """Write the errors as CSV, by point and category, and by observable (worst first).

    Parameters
    ----------
    result : Errors
        From `compare`.
    names : tuple of str
        The parameters.
    points : ndarray, shape (n, n_parameters)
    observables : list
        Columns of the predictions.
    by_point, by_observable : path
        Files to write.
    """
    rows = [
        {
            **dict(zip(names, point, strict=True)),
            "chi2_minus_min": float(result.distance[i]),
            **{f"error_{c}": float(values[i]) for c, values in result.chi2.items()},
        }
        for i, point in enumerate(points.tolist())
    ]
    store.write_csv(
        by_point, rows, [*names, "chi2_minus_min", *(f"error_{c}" for c in result.chi2)]
    )
    worst = sorted(result.observables.items(), key=lambda item: -item[1])
    rows = [
        {"observable": categories.observable_key(observables[i]), "relative_error": value}
        for i, value in worst
    ]
    store.write_csv(by_observable, rows)
