"""Statistics of a scan: profile over theta_sb, confidence levels, best points, p-values.

Works on stored scans and arrays of chi2; drawing is in `figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from scipy import special  # scipy.stats takes a second to import

from malaphoric import categories, store
from malaphoric.grid import AXES
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import M_REFERENCE

# a parabola that dips further than this below the grid's values is no refinement but a guess
_MOST_REFINED = 0.5

# best fits: starting points, best first, and steps of the numerical gradient
_MOST_STARTS = 5
_STEPS = np.array([1e-4, 1e-5, 1e-5])


def delta_chi2_level(confidence_level: float, dof: int) -> float:
    """Height above the minimum of the contour of a confidence level.

    Parameters
    ----------
    confidence_level : float
        Between 0 and 1.
    dof : int
        Number of parameters of the region: 2 for a region of a plane, whether the others are
        profiled or fixed (Wilks).

    Returns
    -------
    float
        For example 2.28 (68%) and 5.99 (95%) for two parameters.
    """
    return float(2 * special.gammaincinv(dof / 2, confidence_level))


def p_value(chi2: float, dof: int) -> float:
    """Probability of a chi2 at least as large with `dof` degrees of freedom."""
    return float(special.chdtrc(dof, max(chi2, 0.0)))


def profile_last_axis(chi2: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum over the last axis and where it is, refined by a parabola.

    Parameters
    ----------
    chi2 : ndarray, shape (..., n)
        NaN where a point could not be computed.
    axis : ndarray, shape (n,)
        Equidistant values of the parameter that is profiled.

    Returns
    -------
    minimum, position : ndarray, shape (...)
        NaN where all values are NaN. Where the smallest value has two finite neighbours, the
        minimum of the parabola through the three, so that the spacing of the grid does not show;
        not where the parabola dips by more than 0.5, because the grid is too coarse for one there.
    """
    filled = np.where(np.isnan(chi2), np.inf, chi2)
    index = np.argmin(filled, axis=-1)
    n = chi2.shape[-1]

    def at(i: np.ndarray) -> np.ndarray:
        return np.take_along_axis(filled, np.clip(i, 0, n - 1)[..., np.newaxis], -1)[..., 0]

    middle = at(index)
    minimum = np.where(np.isinf(middle), np.nan, middle)
    position = np.where(np.isinf(middle), np.nan, axis[index])
    if n < 3:
        return minimum, position
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = at(index - 1), at(index + 1)
        curvature = left - 2 * middle + right
        slope = right - left
        inside = (index > 0) & (index < n - 1) & np.isfinite(curvature) & (curvature > 0)
        drop = slope**2 / (8 * curvature)
        inside &= drop <= _MOST_REFINED
        shift = np.where(inside, -slope / (2 * curvature), 0.0)
        minimum = np.where(inside, minimum - drop, minimum)
    step = (axis[-1] - axis[0]) / (n - 1)
    return minimum, position + shift * step


def intervals(axis: np.ndarray, chi2: np.ndarray, level: float) -> list[list[float | None]]:
    """Where a profile lies below its minimum plus a level, by linear interpolation.

    Parameters
    ----------
    axis, chi2 : ndarray, shape (n,)
        NaN where there is no value.
    level : float
        From `delta_chi2_level` with one degree of freedom.

    Returns
    -------
    list of [low, high]
        None where an interval does not end inside the scan.
    """
    known = np.isfinite(chi2)
    x, y = axis[known], chi2[known] - np.min(chi2[known]) - level
    ends: list[float | None] = [None] if y[0] < 0 else []
    for a, b, ya, yb in zip(x[:-1], x[1:], y[:-1], y[1:], strict=True):
        if (ya < 0) != (yb < 0):
            ends.append(float(a + (b - a) * ya / (ya - yb)))
    if y[-1] < 0:
        ends.append(None)
    return [[low, high] for low, high in zip(ends[::2], ends[1::2], strict=True)]


def all_intervals(profile: str | Path, levels: list[float]) -> dict:
    """Intervals of each parameter from its global profile, by parameter and confidence level."""
    with store.read(profile) as file:
        index = category_names(file).index("global")
        return {
            name: {
                f"{level:g}": intervals(
                    file[name][:], file[f"chi2_{name}"][index], delta_chi2_level(level, 1)
                )
                for level in levels
            }
            for name in AXES
            if len(file[name]) > 1
        }


def scan_slabs(file: h5py.File) -> Iterator[tuple[int, np.ndarray]]:
    """The scan's chi2 for one epsilon_hat after the other: (index, (category, g_hat, theta_sb))."""
    for i in range(file["chi2"].shape[1]):
        yield i, file["chi2"][:, i]


def category_names(file: h5py.File) -> list[str]:
    """Names along the category axis of a scan or profile."""
    return list(file["category"].asstr()[:])


def profile(scan: str | Path, path: str | Path, limit: float | None = None) -> dict:
    """Profile a scan over theta_sb and find its best points.

    Parameters
    ----------
    scan : path
        A ``scan.h5``.
    path : path
        HDF5 file with ``chi2`` (category, epsilon_hat, g_hat) and ``theta_sb_best``, the position
        of each minimum in rad, of the same shape; ``chi2_<axis>`` (category, <axis>), the profile
        of one parameter over physical points (|epsilon| <= 1); axes as dimension scales.
    limit : float, optional
        Largest |epsilon_hat| that counts as physical (default: 3 TeV / M_X).

    Returns
    -------
    dict
        Best point of the grid for every category: epsilon_hat, g_hat, theta_sb, chi2 by category.
    """
    with store.read(scan) as file:
        names = category_names(file)
        axes = [file[name][:] for name in AXES]
        shape = (len(names), len(axes[0]), len(axes[1]))
        chi2, theta = np.full(shape, np.nan), np.full(shape, np.nan)
        over_theta = np.full((len(names), len(axes[2])), np.nan)
        attributes = dict(file.attrs)
        if limit is None:
            limit = M_REFERENCE / store.parse(attributes["theory"])["M_X"]
        physical = np.abs(axes[0]) <= limit
        best: dict[str, dict] = {}
        for i, slab in scan_slabs(file):
            chi2[:, i], theta[:, i] = profile_last_axis(slab, axes[2])
            if physical[i]:
                _update_best(best, names, axes, i, slab)
                over_g, _ = profile_last_axis(slab.swapaxes(1, 2), axes[1])
                over_theta = np.fmin(over_theta, over_g)
    inside = np.where(physical[:, np.newaxis], chi2, np.nan)
    one_dimensional = {
        "epsilon_hat": profile_last_axis(inside, axes[1])[0],
        "g_hat": profile_last_axis(inside.swapaxes(1, 2), axes[0])[0],
        "theta_sb": over_theta,
    }
    with store.create(path, **{**attributes, "content": "malaphoric profile"}) as out:
        out.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
        for name, axis in zip(AXES, axes, strict=True):
            store.write_array(out, name, axis)
        for name in ("category", *AXES):
            out[name].make_scale(name)
        datasets = {"chi2": (chi2, AXES[:2]), "theta_sb_best": (theta, AXES[:2])}
        datasets |= {f"chi2_{name}": (v, (name,)) for name, v in one_dimensional.items()}
        for name, (values, dimensions) in datasets.items():
            store.write_array(out, name, values)
            for number, dimension in enumerate(("category", *dimensions)):
                out[name].dims[number].attach_scale(out[dimension])
    return best


def _update_best(
    best: dict, names: list[str], axes: list[np.ndarray], i: int, slab: np.ndarray
) -> None:
    """Best point by category; the first in canonical order wins a tie."""
    for number, name in enumerate(names):
        if np.all(np.isnan(slab[number])):
            continue
        j, k = np.unravel_index(np.nanargmin(slab[number]), slab[number].shape)
        if name not in best or slab[number, j, k] < best[name]["chi2"][name]:
            best[name] = {
                "epsilon_hat": float(axes[0][i]),
                "g_hat": float(axes[1][j]),
                "theta_sb": float(axes[2][k]),
                "chi2": {c: float(slab[m, j, k]) for m, c in enumerate(names)},
            }


def best_of_plane(scan: str | Path) -> dict | None:
    """Best global point of the unmixed model (epsilon_hat = 0), or None if the grid lacks it."""
    with store.read(scan) as file:
        names = category_names(file)
        axes = [file[name][:] for name in AXES]
        index = np.flatnonzero(axes[0] == 0)
        if not index.size:
            return None
        best: dict = {}
        _update_best(best, names, axes, int(index[0]), file["chi2"][:, int(index[0])])
        return best.get("global")


def best_fits(
    grid: dict,
    chi2_sm: dict[str, float],
    n_obs: dict[str, int],
    box: dict[str, tuple[float, float]],
    chi2: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None,
) -> dict[str, dict | None]:
    """Best fits of the Standard Model, the unmixed and the malaphoric model.

    Parameters
    ----------
    grid : dict
        Best points of the grid: ``unmixed`` and, by category, ``all``; starting points.
    chi2_sm, n_obs : dict
        By category and "global".
    box : dict
        Limits of epsilon_hat, g_hat and theta_sb: what was scanned and is physical, see
        `physical_box`.
    chi2 : callable, optional
        chi2 by category of points (n, 3). Without it the grid's points are the result.

    Returns
    -------
    dict
        ``SM``, ``unmixed`` and ``malaphoric``: parameters with errors and correlations (if
        minimised), those at a limit of the box (``at_limit``: errors and Wilks' theorem do not hold
        for them), chi2 and dchi2 by category, number of fitted parameters, degrees of freedom,
        p-value of the fit, and of the improvement over the SM and over the unmixed model.
    """
    result: dict[str, dict | None] = {
        "SM": summary({}, chi2_sm, chi2_sm, n_obs, 0),
        "unmixed": None,
        "malaphoric": None,
    }
    starts = [grid["all"][name] for name in sorted(grid["all"])]
    if grid["unmixed"]:
        point = grid["unmixed"]
        starts_unmixed = [point, {**point, "theta_sb": -point["theta_sb"]}]
        fit = _fit(point, starts_unmixed, ("g_hat", "theta_sb"), box, chi2)
        result["unmixed"] = summary(fit, fit.pop("chi2"), chi2_sm, n_obs, 2)
    if starts:
        point = grid["all"]["global"]
        starts = [
            point,
            {**point, "epsilon_hat": -point["epsilon_hat"]},  # both signs
            {**point, "theta_sb": -point["theta_sb"]},
            *([grid["unmixed"]] if grid["unmixed"] else []),
            *starts,
        ]
        fit = _fit(grid["all"]["global"], starts, AXES, box, chi2)
        result["malaphoric"] = summary(fit, fit.pop("chi2"), chi2_sm, n_obs, 3)
        if chi2 and "LEP2" in chi2_sm and len(chi2_sm) > 2:
            # where the corrected LEP2 moves the best fit
            fit = _fit(fit, [fit], AXES, box, chi2, without="LEP2")
            without = summary(fit, fit.pop("chi2"), chi2_sm, n_obs, 3)
            # its p-values would count data that it ignores
            result["malaphoric_without_LEP2"] = {
                k: v for k, v in without.items() if k != "dof" and not k.startswith("p_value")
            }
        if result["unmixed"]:
            add_improvement(result["malaphoric"], result["unmixed"])
    return result


def physical_box(axes: tuple[np.ndarray, ...], M_X: float) -> dict[str, tuple[float, float]]:
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


def pulls(predictions: np.ndarray, data: Likelihood) -> list[dict]:
    """All measured observables at a point: prediction, measurement, pulls in the SM and the model.

    Parameters
    ----------
    predictions : ndarray, shape (n_observables,)
    data : Likelihood

    Returns
    -------
    list of dict
        One row an observable, in the order of the likelihood, in flavio's units. A pull is
        (prediction - experiment) / uncertainty, correlations neglected, where the uncertainty
        includes the theory's as far as the likelihood does; ``change`` is |pull| - |SM pull|.
    """
    central, uncertainty = data.measured()
    category = {int(i): k.category for k in data.constraints for i in k.columns}
    rows = []
    for i in sorted(category):
        theory = data.theory_uncertainty[i]
        pull_sm = (data.sm[i] - central[i]) / uncertainty[i]
        pull = (predictions[i] - central[i]) / uncertainty[i]
        rows.append(
            {
                "observable": categories.observable_key(data.observables[i]),
                "category": category[i],
                "prediction": float(predictions[i]),
                "prediction_sm": float(data.sm[i]),
                "experiment": float(central[i]),
                "uncertainty": float(uncertainty[i]),
                "uncertainty_experiment": float(np.sqrt(max(uncertainty[i] ** 2 - theory**2, 0))),
                "uncertainty_theory": float(theory),
                "pull": float(pull),
                "pull_sm": float(pull_sm),
                "change": float(abs(pull) - abs(pull_sm)),
                "label": data.labels[i] if data.labels else "",
            }
        )
    return rows


def best_points(fits: dict) -> np.ndarray:
    """Points of the fits in a ``best_fit.json``, shape (n, 3)."""
    found = [fits[name] for name in ("unmixed", "malaphoric") if fits.get(name)]
    return np.array([[fit[name] for name in AXES] for fit in found]).reshape(-1, len(AXES))


def summary(fit: dict, chi2: dict, chi2_sm: dict, n_obs: dict, parameters: int) -> dict:
    """A fit with its Delta chi2, degrees of freedom and p-values.

    Parameters
    ----------
    fit : dict
        Whatever is known of the fit, for example its parameters; copied.
    chi2, chi2_sm, n_obs : dict
        By category and "global".
    parameters : int
        Number of fitted parameters.

    Returns
    -------
    dict
        ``fit`` and chi2, dchi2 = chi2_SM - chi2, parameters, dof, p_value of the fit and, of a
        fit with parameters, p_value_over_SM of the improvement (Wilks).
    """
    dof = n_obs["global"] - parameters
    dchi2 = {name: chi2_sm[name] - chi2[name] for name in chi2_sm}
    summary = {
        **fit,
        "chi2": dict(chi2),
        "dchi2": dchi2,
        "parameters": parameters,
        "dof": dof,
        "p_value": p_value(chi2["global"], dof),
    }
    if parameters:
        summary["p_value_over_SM"] = p_value(max(dchi2["global"], 0.0), parameters)
    return summary


def add_improvement(fit: dict, unmixed: dict) -> None:
    """Add the p-value of the improvement over the unmixed fit, which has a parameter less."""
    gain = unmixed["chi2"]["global"] - fit["chi2"]["global"]
    fit["p_value_over_unmixed"] = p_value(max(gain, 0.0), 1)


def _fit(
    grid_best: dict,
    starts: list[dict],
    free: tuple[str, ...],
    box: dict[str, tuple[float, float]],
    chi2: Callable[[np.ndarray], dict[str, np.ndarray]] | None,
    without: str | None = None,
) -> dict:
    """Minimise the global chi2 from several starting points; the grid's best point without chi2.

    A category can be left out of what is minimised (`without`).
    """
    free = tuple(name for name in free if box[name][0] < box[name][1])
    if chi2 is None or not free:
        return {"method": "best point of the grid", **grid_best}
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

    low, high = np.array([box[name] for name in AXES]).T
    points = np.array([[start[name] for name in AXES] for start in starts])
    movable = np.isin(AXES, free)
    points = np.unique(np.where(movable, np.clip(points, low, high), points), axis=0)
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
    point = np.array([[found[name] for name in AXES]])
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
        "chi2": {name: float(value[0]) for name, value in chi2(point).items()},
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
