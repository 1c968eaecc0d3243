"""Best fits: chi2 minimised over the parameters inside a box, with errors and correlations.

Levels, p-values and what can be read off a stored scan are in `statistics`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from malaphoric.categories import GLOBAL
from malaphoric.grid import AXES
from malaphoric.smeft import M_REFERENCE
from malaphoric.statistics import add_improvement, summary

#: chi2 by category of points (n, 3).
Chi2 = Callable[[np.ndarray], dict[str, np.ndarray]]

#: Lowest and highest value of each parameter.
Box = dict[str, tuple[float, float]]

# starting points, best first, and steps of the numerical gradient
_MOST_STARTS = 5
_STEPS = np.array([1e-4, 1e-5, 1e-5])


def best_fits(
    grid: dict,
    chi2_sm: dict[str, float],
    n_obs: dict[str, int],
    box: Box,
    chi2: Chi2 | None = None,
) -> dict[str, dict | None]:
    """Best fits of the Standard Model, the unmixed and the malaphoric model.

    Parameters
    ----------
    grid : dict
        Best points of the grid, from `statistics.profile`; starting points.
    chi2_sm, n_obs : dict
        By category and "global".
    box : dict
        Limits of epsilon_hat, g_hat and theta_sb: what was scanned and is physical, see
        `physical_box`. A parameter whose limits are equal is not fitted.
    chi2 : callable, optional
        chi2 by category of points (n, 3). Without it the grid's points are the result.

    Returns
    -------
    dict
        ``SM``, ``unmixed`` and ``malaphoric``: parameters with errors and correlations (if
        minimised), those at a limit of the box (``at_limit``: errors and Wilks' theorem do not hold
        for them), chi2 and dchi2 by category, number of fitted parameters, degrees of freedom,
        p-value of the fit, and of the improvement over the SM and over the unmixed model. None
        where no valid point of the scan belongs to a model.
    """
    result: dict[str, dict | None] = {
        "SM": summary({}, chi2_sm, chi2_sm, n_obs, 0),
        "unmixed": None,
        "malaphoric": None,
    }
    starts = [grid["all"][name] for name in (GLOBAL, *sorted(grid["all"])) if name in grid["all"]]

    def fitted(starts: list[dict], box: Box, **options: str) -> dict | None:
        if fit := _fit(starts, box, chi2, **options):
            return summary(fit, fit.pop("chi2"), chi2_sm, n_obs, len(free_parameters(box)))
        return None

    if grid["unmixed"] or (chi2 and starts and box["epsilon_hat"][0] <= 0 <= box["epsilon_hat"][1]):
        # chi2 can be minimised at epsilon_hat = 0 whether the grid has it or not
        mine = [grid["unmixed"]] if grid["unmixed"] else starts
        mine = mine + [{**point, "theta_sb": -point["theta_sb"]} for point in mine]
        result["unmixed"] = fitted(mine, {**box, "epsilon_hat": (0.0, 0.0)})
    if starts:
        point = starts[0]
        starts = [
            point,
            {**point, "epsilon_hat": -point["epsilon_hat"]},  # both signs
            {**point, "theta_sb": -point["theta_sb"]},
            *([result["unmixed"]] if result["unmixed"] else []),
            *starts,
        ]
        result["malaphoric"] = fitted(starts, box)
        if result["malaphoric"] and chi2 and "LEP2" in chi2_sm and len(chi2_sm) > 2:
            # where the corrected LEP2 moves the best fit
            without = fitted([result["malaphoric"]], box, without="LEP2")
            # its p-values would count data that it ignores
            result["malaphoric_without_LEP2"] = {
                k: v for k, v in without.items() if k != "dof" and not k.startswith("p_value")
            }
        if result["malaphoric"] and result["unmixed"]:
            add_improvement(result["malaphoric"], result["unmixed"])
    return result


def notes(fits: dict[str, dict | None], box: Box, M_X: float) -> list[str]:
    """Sentences on best fits that whoever reads them must know.

    Parameters
    ----------
    fits : dict
        From `best_fits`.
    box : dict
        From `physical_box`.
    M_X : float
        In GeV.
    """
    sentences = []
    for name in ("unmixed", "malaphoric"):
        fit = fits[name] or {}
        if at_limit := fit.get("at_limit"):
            sentences.append(
                f"The {name} fit has {' and '.join(at_limit)} at a limit of the box or of "
                "|epsilon| <= 1, where errors and p-values by Wilks' theorem do not hold."
            )
    return sentences


def physical_box(axes: tuple[np.ndarray, ...], M_X: float) -> Box:
    """Limits of a fit: the scanned box, within |epsilon| <= 1.

    Parameters
    ----------
    axes : tuple of ndarray
        Of epsilon_hat, g_hat and theta_sb (rad).
    M_X : float
        In GeV.
    """
    box = {name: (float(a[0]), float(a[-1])) for name, a in zip(AXES, axes, strict=True)}
    limit = M_REFERENCE / M_X
    low, high = box["epsilon_hat"]
    return {**box, "epsilon_hat": (max(low, -limit), min(high, limit))}


def free_parameters(box: Box) -> tuple[str, ...]:
    """Names of the parameters that a box leaves free."""
    return tuple(name for name in AXES if box[name][0] < box[name][1])


def _fit(
    starts: list[dict], box: Box, chi2: Chi2 | None, without: str | None = None
) -> dict | None:
    """Minimise the global chi2 from several starting points; the first of them without chi2.

    A category can be left out of what is minimised (`without`). None if nothing valid is found.
    """
    if chi2 is None:
        return {"method": "best point of the grid", **{k: starts[0][k] for k in (*AXES, "chi2")}}
    low, high = np.array([box[name] for name in AXES]).T
    points = np.array([[start[name] for name in AXES] for start in starts])
    points = np.unique(np.clip(points, low, high), axis=0)
    if free := free_parameters(box):
        fit = _minimised(points, box, free, chi2, without)
    else:
        fit = {"method": "the only point", **dict(zip(AXES, points[0].tolist(), strict=True))}
    found = chi2(np.array([[fit[name] for name in AXES]]))
    fit["chi2"] = {name: float(value[0]) for name, value in found.items()}
    return fit if np.isfinite(fit["chi2"][GLOBAL]) else None


def _minimised(
    points: np.ndarray, box: Box, free: tuple[str, ...], chi2: Chi2, without: str | None
) -> dict:
    """The minimum that iminuit finds from the best few of the given points, with errors."""
    from iminuit import Minuit

    def values(points: np.ndarray) -> np.ndarray:
        by_category = chi2(points)
        result = by_category["global"] - (by_category[without] if without else 0)
        return np.where(np.isfinite(result), result, 1e6)  # a wall: no CKM elements there

    def objective(x: np.ndarray) -> float:
        return float(values(np.atleast_2d(x))[0])

    def gradient(x: np.ndarray) -> np.ndarray:
        # all at once: the engine computes many points in the time of one
        both = values(np.concatenate([x + np.diag(_STEPS), x - np.diag(_STEPS)]))
        return (both[: len(AXES)] - both[len(AXES) :]) / (2 * _STEPS)

    best = None
    for start in points[np.argsort(values(points), kind="stable")[:_MOST_STARTS]]:
        minuit = Minuit(objective, start, grad=gradient, name=AXES)
        minuit.errordef = Minuit.LEAST_SQUARES
        for name in free:
            minuit.limits[name] = box[name]
        minuit.errors = (0.05, 0.01, 0.01)
        for name in AXES:
            minuit.fixed[name] = name not in free
        minuit.migrad()
        if best is None or minuit.fval < best.fval:
            best = minuit
    covariance = _covariance(values, np.array(best.values), [AXES.index(name) for name in free])
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(errors, errors)
    found = {name: float(best.values[name]) for name in AXES}
    return {
        "method": "minimised with iminuit",
        **found,
        "errors": dict(zip(free, errors.tolist(), strict=True)),
        "correlations": {
            f"{a},{b}": float(correlation[i, j])
            for i, a in enumerate(free)
            for j, b in enumerate(free[i + 1 :], i + 1)
        },
        "valid": bool(best.valid),
        "at_limit": [
            name
            for name in free
            if min(found[name] - box[name][0], box[name][1] - found[name])
            < 1e-3 * (box[name][1] - box[name][0])
        ],
    }


def _covariance(
    chi2: Callable[[np.ndarray], np.ndarray], x: np.ndarray, free: list[int]
) -> np.ndarray:
    """Covariance of the free parameters from the second derivatives of chi2 at its minimum.

    Where parameters are as correlated as ours Minuit's own steps are small: it is off by 30%. NaN
    where chi2 does not depend on a parameter.
    """
    unit = np.eye(len(x))[free]
    steps = _STEPS[free]
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
