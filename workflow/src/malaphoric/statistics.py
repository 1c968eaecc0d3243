"""Statistics of a scan: profile over theta_sb, confidence levels, best points, p-values.

Works on stored scans and arrays of chi2; what needs chi2 at other points is in `fits`, drawing in
`figures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from scipy import special  # scipy.stats takes a second to import

from malaphoric import categories, store
from malaphoric.grid import AXES, Grid
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import M_REFERENCE

# a parabola that dips further than this below the grid's values is no refinement but a guess
_MOST_REFINED = 0.5


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
        None where an interval does not end inside the scan; empty if no value is known.
    """
    known = np.isfinite(chi2)
    if not known.any():
        return []
    x, y = axis[known], chi2[known] - np.min(chi2[known]) - level
    ends: list[float | None] = [None] if y[0] < 0 else []
    for a, b, ya, yb in zip(x[:-1], x[1:], y[:-1], y[1:], strict=True):
        if (ya < 0) != (yb < 0):
            ends.append(float(a + (b - a) * ya / (ya - yb)))
    if y[-1] < 0:
        ends.append(None)
    return [[low, high] for low, high in zip(ends[::2], ends[1::2], strict=True)]


def grid_profiles(profile: str | Path) -> dict[str, dict[str, list]]:
    """Global profile of each parameter that a ``profile.h5`` has more than one value of.

    Returns
    -------
    dict
        By parameter: ``values`` and ``chi2``, where it is known.
    """
    with store.read(profile) as file:
        index = category_names(file).index(categories.GLOBAL)
        curves = {name: (file[name][:], file[f"chi2_{name}"][index]) for name in AXES}
    return {
        name: {"values": x[np.isfinite(chi2)].tolist(), "chi2": chi2[np.isfinite(chi2)].tolist()}
        for name, (x, chi2) in curves.items()
        if len(x) > 1
    }


def all_intervals(profiles: dict[str, dict[str, list]], levels: list[float]) -> dict:
    """Intervals of each parameter by parameter and confidence level, from its profile.

    ``profiles`` are those of the grid (`grid_profiles`) or minimised ones (`fits.profiles`).
    """
    return {
        name: {
            f"{level:g}": intervals(
                np.array(curve["values"]), np.array(curve["chi2"]), delta_chi2_level(level, 1)
            )
            for level in levels
        }
        for name, curve in profiles.items()
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
        of one parameter over physical points (|epsilon| <= 1); axes as dimension scales; attribute
        ``notes``, sentences that whoever reads the file must know.
    limit : float, optional
        Largest |epsilon_hat| that counts as physical (default: 3 TeV / M_X).

    Returns
    -------
    dict
        Best physical points of the grid as starting points of fits: ``all``, by category, and
        ``unmixed`` (epsilon_hat = 0), each a dict of epsilon_hat, g_hat, theta_sb and chi2 by
        category (or None); ``lines``, by axis, where the global profile of one parameter is, shape
        (n, 3); ``unmixed_edges``: [axis, value, smallest global chi2 above the minimum] of the
        plane of epsilon_hat = 0; ``minimum`` of the global profile over theta_sb (or None);
        ``steps`` of the axes; ``census``: numbers of points; ``notes``.
    """
    with store.read(scan) as file:
        names = category_names(file)
        axes = [file[name][:] for name in AXES]
        attributes = dict(file.attrs)
        limit = limit or M_REFERENCE / store.parse(attributes["theory"])["M_X"]
        physical = np.abs(axes[0]) <= limit
        census = _census(file, physical)
        shape = (len(names), len(axes[0]), len(axes[1]))
        chi2, theta, dip = (np.full(shape, np.nan) for _ in range(3))
        over_theta = np.full((len(names), len(axes[2])), np.nan)
        best, edges = _BestPoints(names, axes), []
        for i, slab in scan_slabs(file):
            chi2[:, i], theta[:, i] = profile_last_axis(slab, axes[2])
            dip[:, i] = _deepest_dip(slab)
            if physical[i]:
                best.add(i, slab)
                if axes[0][i] == 0:
                    edges = _edges(slab[names.index(categories.GLOBAL)], axes[1:])
                line, _ = profile_last_axis(slab.swapaxes(1, 2), axes[1])
                over_theta = np.fmin(over_theta, line)
    inside = np.where(physical[:, np.newaxis], chi2, np.nan)
    datasets = {
        "chi2": (chi2, AXES[:2]),
        "theta_sb_best": (theta, AXES[:2]),
        "chi2_epsilon_hat": (profile_last_axis(inside, axes[1])[0], AXES[:1]),
        "chi2_g_hat": (profile_last_axis(inside.swapaxes(1, 2), axes[0])[0], AXES[1:2]),
        "chi2_theta_sb": (over_theta, AXES[2:]),
    }
    grid = Grid(tuple(axes))
    planes = dict(zip(names, zip(inside, dip, strict=True), strict=True))
    notes = [*_census_notes(census), *grid.notes, *_ragged(planes, grid.steps)]
    _write_profile(path, {**attributes, "notes": notes}, names, axes, datasets)
    return {
        **best.plain(),
        "unmixed_edges": edges,
        "minimum": _smallest(inside[names.index(categories.GLOBAL)]),
        "steps": grid.steps,
        "census": census,
        "notes": notes,
    }


def _edges(chi2: np.ndarray, axes: list[np.ndarray]) -> list[list]:
    """Smallest chi2 above the minimum at each edge of a plane (g_hat, theta_sb), where one is."""
    found = []
    if min(chi2.shape) > 1 and np.isfinite(chi2).any():
        for i, name in enumerate(AXES[1:]):
            for end in (0, -1):
                line = chi2.take(end, axis=i)
                if np.isfinite(line).any():
                    height = float(np.nanmin(line) - np.nanmin(chi2))
                    found.append([name, float(axes[i][end]), height])
    return found


def _deepest_dip(chi2: np.ndarray) -> np.ndarray:
    """How far a parabola can dip at most below the smallest value of the last axis (..., n).

    The minimum is at most half a step away: an eighth of the second difference. NaN at an edge.
    """
    n = chi2.shape[-1]
    if n < 3:
        return np.full(chi2.shape[:-1], np.nan)
    filled = np.where(np.isnan(chi2), np.inf, chi2)
    index = np.argmin(filled, axis=-1)[..., np.newaxis]
    around = np.clip(index + np.array([-1, 0, 1]), 0, n - 1)
    left, middle, right = np.moveaxis(np.take_along_axis(filled, around, -1), -1, 0)
    with np.errstate(invalid="ignore"):
        dip = (left + right - 2 * middle) / 8
    at_edge = (index[..., 0] == 0) | (index[..., 0] == n - 1)
    return np.where(at_edge | ~np.isfinite(dip), np.nan, dip)


def _ragged(planes: dict[str, tuple[np.ndarray, np.ndarray]], steps: dict) -> list[str]:
    """Categories whose 68% border the steps of theta_sb do not resolve, and steps that would.

    ``planes``: physical chi2 and deepest dip by category, shapes (epsilon_hat, g_hat).
    """
    ragged, enough = [], np.inf
    for name, (chi2, dip) in planes.items():
        if (lowest := _smallest(chi2)) is None or "theta_sb" not in steps:
            continue
        height = delta_chi2_level(0.68, 2)
        delta = chi2 - lowest
        near = np.isfinite(dip) & (delta - np.nan_to_num(dip) <= height)
        bounded = np.nanmax(delta) > height
        if bounded and np.sum(near & (dip > _MOST_REFINED)) > 0.02 * np.sum(near):
            ragged.append(name)
            worst = float(np.quantile(dip[near], 0.95))
            enough = min(enough, steps["theta_sb"] * (_MOST_REFINED / worst) ** 0.5)
    if not ragged:
        return []
    return [
        f"Steps of theta_sb of {steps['theta_sb']:.2g} do not resolve the contours of "
        f"{', '.join(ragged)}, which may be ragged; {enough:.2g} would."
    ]


def _smallest(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else None


def _write_profile(
    path: str | Path, attributes: dict, names: list[str], axes: list[np.ndarray], datasets: dict
) -> None:
    """Write arrays (category, ...) of a profile with their dimensions."""
    size = sum(values.nbytes for values, _ in datasets.values())
    with store.create(path, size=size, **{**attributes, "content": "malaphoric profile"}) as out:
        out.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
        for name, axis in zip(AXES, axes, strict=True):
            store.write_array(out, name, axis)
        for name in ("category", *AXES):
            out[name].make_scale(name)
        for name, (values, dimensions) in datasets.items():
            store.write_array(out, name, values)
            for number, dimension in enumerate(("category", *dimensions)):
                out[name].dims[number].attach_scale(out[dimension])


def _census(file: h5py.File, physical: np.ndarray) -> dict[str, int]:
    """Numbers of points of a scan: all, physical ones, and of these those that failed, and why."""
    reasons = {name: 0 for name in store.parse(file.attrs["status_values"])}
    counts = {"points": 0, "physical": 0} | reasons
    for i, is_physical in enumerate(physical):
        status = file["status"][i]
        counts["points"] += status.size
        if is_physical:
            counts["physical"] += status.size
            for name, code in store.parse(file.attrs["status_values"]).items():
                counts[name] += int(np.sum(status == code))
    return counts


def _census_notes(census: dict[str, int]) -> list[str]:
    """A scan in which there is nothing to fit says so."""
    if not census["physical"]:
        return [
            f"No point of the scan is physical: |epsilon| > 1 at all {census['points']} points, so "
            "there is no best fit."
        ]
    if not census["ok"]:
        return [
            f"No valid point: of {census['physical']} points with |epsilon| <= 1, {census['ckm']} "
            f"have no CKM elements (smelli's extraction fails) and {census['error']} ended in an "
            "error, so there is no best fit."
        ]
    return []


class _BestPoints:
    """Best points of a scan, collected from one epsilon_hat after the other."""

    def __init__(self, names: list[str], axes: list[np.ndarray]) -> None:
        self.names, self.axes = names, axes
        self.all: dict[str, dict] = {}
        self.unmixed: dict[str, dict] = {}
        self.lines = [(np.full(len(a), np.inf), np.full((len(a), len(AXES)), np.nan)) for a in axes]

    def add(self, i: int, slab: np.ndarray) -> None:
        """Look at the points of one epsilon_hat, (category, g_hat, theta_sb)."""
        self._update(self.all, i, slab)
        if self.axes[0][i] == 0:
            self._update(self.unmixed, i, slab)
        self._update_lines(i, slab[self.names.index(categories.GLOBAL)])

    def _update(self, best: dict, i: int, slab: np.ndarray) -> None:
        """Best point by category; the first in canonical order wins a tie."""
        for number, name in enumerate(self.names):
            if np.all(np.isnan(slab[number])):
                continue
            j, k = np.unravel_index(np.nanargmin(slab[number]), slab[number].shape)
            if name not in best or slab[number, j, k] < best[name]["chi2"][name]:
                best[name] = {
                    "epsilon_hat": float(self.axes[0][i]),
                    "g_hat": float(self.axes[1][j]),
                    "theta_sb": float(self.axes[2][k]),
                    "chi2": {c: float(slab[m, j, k]) for m, c in enumerate(self.names)},
                }

    def _update_lines(self, i: int, slab: np.ndarray) -> None:
        """Smallest chi2 at each value of each parameter, and its point; slab (g_hat, theta_sb)."""
        filled = np.where(np.isnan(slab), np.inf, slab)
        j, k = np.unravel_index(np.argmin(filled), filled.shape)
        n_g, n_theta = np.arange(filled.shape[0]), np.arange(filled.shape[1])
        where = (
            (np.array([i]), np.array([j]), np.array([k])),
            (n_g, n_g, np.argmin(filled, axis=1)),
            (n_theta, np.argmin(filled, axis=0), n_theta),
        )
        e, g, t = self.axes
        for (values, points), (rows, j, k) in zip(self.lines, where, strict=True):
            better = filled[j, k] < values[rows]
            rows, j, k = rows[better], j[better], k[better]
            values[rows] = filled[j, k]
            points[rows] = np.stack([np.full(len(j), e[i]), g[j], t[k]], axis=1)

    def plain(self) -> dict:
        """``all``, ``unmixed`` and ``lines``, as `profile` returns them."""
        return {
            "all": self.all,
            "unmixed": self.unmixed.get(categories.GLOBAL),
            "lines": {
                name: points[np.isfinite(values)].tolist()
                for name, (values, points) in zip(AXES, self.lines, strict=True)
            },
        }


def pulls(predictions: np.ndarray | None, data: Likelihood) -> list[dict]:
    """All measured observables at a point: prediction, measurement, pulls in the SM and the model.

    Parameters
    ----------
    predictions : ndarray, shape (n_observables,), or None
        At the point; without one, what is of it is "".
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
        prediction = pull = change = ""
        if predictions is not None:
            prediction = float(predictions[i])
            pull = float((predictions[i] - central[i]) / uncertainty[i])
            change = abs(pull) - float(abs(pull_sm))
        rows.append(
            {
                "observable": categories.observable_key(data.observables[i]),
                "category": category[i],
                "prediction": prediction,
                "prediction_sm": float(data.sm[i]),
                "experiment": float(central[i]),
                "uncertainty": float(uncertainty[i]),
                "uncertainty_experiment": float(np.sqrt(max(uncertainty[i] ** 2 - theory**2, 0))),
                "uncertainty_theory": float(theory),
                "pull": pull,
                "pull_sm": float(pull_sm),
                "change": change,
                "label": data.labels[i] if data.labels else "",
            }
        )
    return rows


def best_prediction(best: dict) -> np.ndarray | None:
    """Predictions at the last of the best fits of `chunks.read_points`, shape (n_observables,)."""
    return best["predictions"][-1] if len(best["points"]) else None


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
        Number of parameters that were free.

    Returns
    -------
    dict
        ``fit`` and chi2, dchi2 = chi2_SM - chi2, parameters, dof, p_value of the fit (if there is
        a degree of freedom) and, of a fit with parameters, p_value_over_SM of the improvement
        (Wilks).
    """
    dof = n_obs["global"] - parameters
    dchi2 = {name: chi2_sm[name] - chi2[name] for name in chi2_sm}
    summary = {**fit, "chi2": dict(chi2), "dchi2": dchi2, "parameters": parameters, "dof": dof}
    if dof > 0:
        summary["p_value"] = p_value(chi2["global"], dof)
    if parameters:
        summary["p_value_over_SM"] = p_value(max(dchi2["global"], 0.0), parameters)
    return summary


def add_improvement(fit: dict, unmixed: dict) -> None:
    """Add the p-value of the improvement over the unmixed fit, if that has fewer parameters."""
    gain = unmixed["chi2"]["global"] - fit["chi2"]["global"]
    if (fewer := fit["parameters"] - unmixed["parameters"]) > 0:
        fit["p_value_over_unmixed"] = p_value(max(gain, 0.0), fewer)
