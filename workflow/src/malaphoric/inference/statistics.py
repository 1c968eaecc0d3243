"""Statistics of a scan: profiles over parameters, confidence levels, best points, p-values.

Works on stored scans and arrays of chi2; what needs chi2 at other points is in `fits`, drawing in
`figures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
from scipy import special  # scipy.stats takes a second to import

from malaphoric import store
from malaphoric.data.categories import GLOBAL, observable_key
from malaphoric.data.likelihood import Likelihood
from malaphoric.inference.results import SHOWN, Curve, Fit, Minimum, Notes, ScanResult
from malaphoric.physics.parameters import BY_NAME, MASS, Parameter, is_physical
from malaphoric.scan.grid import Grid, round_step

# a parabola that dips further than this below the grid's values is no refinement but a guess
_MOST_REFINED = 0.5

# Values of an axis in a region that is drawn with fewer are too few.
_FEW = 5


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


def grid_profiles(profile: str | Path) -> dict[str, Curve]:
    """Global profile of each parameter that a ``profile.h5`` has more than one value of."""
    with store.read(profile) as file:
        index = category_names(file).index(GLOBAL)
        names = grid_of(file).scanned
        curves = {name: (file[name][:], file[f"chi2_{name}"][index]) for name in names}
    return {
        name: Curve(x[np.isfinite(chi2)], chi2[np.isfinite(chi2)])
        for name, (x, chi2) in curves.items()
    }


def all_intervals(
    profiles: dict[str, Curve],
    levels: Iterable[float],
    about: Mapping[str, Parameter] = BY_NAME,
) -> dict[str, dict[str, list[list[float | None]]]]:
    """Intervals of each parameter by parameter and confidence level, from its profile.

    That of a periodic parameter across the border of its period is one, and ends beyond the border.

    Parameters
    ----------
    profiles : dict of str to Curve
        Those of the grid (`grid_profiles`) or minimised ones (`fits.profiles`).
    levels : iterable of float
    about : mapping, optional
        What is known of the parameters, see `Model.records`.
    """
    return {
        name: {
            f"{level:g}": _joined(
                intervals(curve.values, curve.chi2, delta_chi2_level(level, 1)), curve, about[name]
            )
            for level in levels
        }
        for name, curve in profiles.items()
    }


def _joined(
    pieces: list[list[float | None]], curve: Curve, about: Parameter
) -> list[list[float | None]]:
    """Intervals with the two at the border of a period as one."""
    if len(pieces) < 2 or not about.is_all_round(curve.values[0], curve.values[-1]):
        return pieces
    (start, low), *between, (high, end) = pieces
    if start is not None or end is not None:
        return pieces
    return [*between, [high, (low or 0.0) + (about.period or 0.0)]]


def category_names(file: h5py.File) -> list[str]:
    """Names along the category axis of a scan or profile."""
    return list(file["category"].asstr()[:])


def grid_of(file: h5py.File) -> Grid:
    """The grid of a scan or profile."""
    names = tuple(store.parse(file.attrs["parameters"]))
    return Grid(names, tuple(file[name][:] for name in names))


def profiled_of(file: h5py.File) -> tuple[str, ...]:
    """Parameters that the points of a scan or profile were minimised over."""
    return tuple(store.parse(file.attrs.get("profiled", "[]")))


def planes_of(grid: Grid) -> list[tuple[str, str]]:
    """Pairs of scanned parameters; the first two parameters where there are not two."""
    return list(combinations(grid.scanned, 2)) or [(grid.names[0], grid.names[1])]


def plane_group(names: Iterable[str]) -> str:
    """Where a ``profile.h5`` has a plane that is not its first."""
    return f"planes/{'-'.join(names)}"


def profile(
    scan: str | Path,
    path: str | Path,
    M_X: float | None = None,
    fits: dict[str, dict[str, float]] | None = None,
) -> ScanResult:
    """Profile a scan in every plane and along every axis, and find its best points.

    Parameters
    ----------
    scan : path
        A ``scan.h5``.
    path : path
        HDF5 file. In its root the plane of the first two scanned parameters: ``chi2`` (category
        and the two), and ``<name>_best``, the value of each other parameter at the minimum, of the
        same shape; other planes likewise in the groups ``planes/<name>-<name>``. ``chi2_<name>``
        (category, <name>): the profile of one parameter over physical points (|epsilon| <= 1).
        Axes as dimension scales; attribute ``notes``: sentences that whoever reads the file must
        know.
    M_X : float, optional
        Mass in GeV that decides what is physical (default: the scan's).
    fits : dict, optional
        By the name of a fit, values of the parameters that it holds fixed.

    Returns
    -------
    ScanResult
        Best physical points of the grid and what else the scan says by itself.
    """
    with store.read(scan) as file:
        names, grid, attributes = category_names(file), grid_of(file), dict(file.attrs)
        profiled = profiled_of(file)
        physical = _physical_slabs(grid, M_X or store.parse(attributes["theory"])["M_X"])
        census = _census(file, physical)
        first, wanted = grid.names[0], planes_of(grid)
        pairs = dict.fromkeys([*wanted, *((first, name) for name in grid.names[1:])])
        planes = {pair: _Plane(names, grid, pair, profiled) for pair in pairs}
        best, edges = _BestPoints(names, grid, profiled, fits or {}), []
        unmixed = np.empty(0)
        for i, inside in enumerate(physical):
            slab = file["chi2"][:, i]
            places = {name: file[f"{name}_best"][:, i] for name in profiled}
            for plane in planes.values():
                plane.add(i, slab, inside, places)
            if inside.any():
                inner = np.where(inside, slab, np.nan)
                best.add(i, inner, places)
                if i == grid.unmixed:
                    edges, unmixed = _edges(inner[names.index(GLOBAL)], grid), inner
    lines = _lines(planes, grid)
    root = planes[wanted[0]]
    notes = _census_notes(census) | dict.fromkeys(grid.notes, ())
    notes |= _ragged(names, root, unmixed, grid)
    notes |= _few_steps({n: line[names.index(GLOBAL)] for n, line in lines.items()}, grid, notes)
    attributes |= {"notes": list(notes), "content": "malaphoric profile"}
    _write_profile(path, attributes, names, grid, {p: planes[p] for p in wanted}, lines)
    return ScanResult(
        all=best.all,
        fits={name: found[GLOBAL] for name, found in best.fits.items() if found},
        lines=best.known_lines(),
        unmixed_edges=edges,
        minimum=_smallest(root.inside[names.index(GLOBAL)]),
        columns=[*grid.names, *profiled],
        steps=grid.steps,
        census=census,
        notes=notes,
    )


def _physical_slabs(grid: Grid, M_X: float | None) -> list[np.ndarray]:
    """Which points with each value of the first parameter are physical, to be broadcast."""
    mass = np.array([M_X]) if M_X else grid.named.get(MASS)
    if mass is None or grid.names[0] != "epsilon_hat":  # what is minimised is physical
        return [np.array([True])] * grid.shape[0]
    return [np.asarray(is_physical({"epsilon_hat": x, MASS: mass})) for x in grid.axes[0]]


class _Plane:
    """The profile in a plane, collected from one value of the first parameter after the other.

    Attributes
    ----------
    chi2 : ndarray, shape (category, n_x, n_y)
        Of physical points only, but where there are none.
    inside : ndarray, same shape
        Of physical points only.
    places : dict of str to ndarray, same shape
        The other parameters at the minimum, and "" how far a parabola may dip below the grid.
    """

    def __init__(
        self, names: list[str], grid: Grid, pair: tuple[str, str], profiled: tuple[str, ...]
    ) -> None:
        self.grid, self.pair = grid, pair
        shape = (len(names), *(len(grid.named[name]) for name in pair))
        others = [name for name in (*grid.names, *profiled) if name not in pair]
        self.chi2, self.inside = (np.full(shape, np.nan) for _ in range(2))
        self.places = {name: np.full(shape, np.nan) for name in ("", *others)}

    def add(self, i: int, slab: np.ndarray, inside: np.ndarray, known: dict) -> None:
        """Look at the points with the i-th value of the first parameter, (category, others).

        Known are the values of profiled parameters there.
        """
        first = self.grid.names[0]
        where: tuple = (slice(None),)
        if first in self.pair:
            where = (slice(None), i)
            if not inside.all():
                self._fill(where, *reduced(slab, self.grid, self.pair, known))
        if not inside.any():
            return
        chi2, places = reduced(np.where(inside, slab, np.nan), self.grid, self.pair, known)
        self.inside[where] = np.fmin(self.inside[where], chi2)
        if first in self.pair:
            better = np.isfinite(chi2)
        else:
            better = np.isfinite(chi2) & ~(self.chi2 <= chi2)
            places[first] = np.full(chi2.shape, self.grid.axes[0][i])
        self._fill(where, chi2, places, better)

    def _fill(
        self, where: tuple, chi2: np.ndarray, places: dict, better: np.ndarray | bool = True
    ) -> None:
        self.chi2[where] = np.where(better, chi2, self.chi2[where])
        for name, values in self.places.items():
            values[where] = np.where(better, places.get(name, np.nan), values[where])


def reduced(
    slab: np.ndarray, grid: Grid, keep: tuple, known: dict[str, np.ndarray] | None = None
) -> tuple[np.ndarray, dict]:
    """Minimum of a slab of a scan over all parameters that are not kept.

    Parameters
    ----------
    slab : ndarray, shape (category, n, ...)
        All parameters but the first, which has one value.
    grid : Grid
    keep : tuple of str
    known : dict of str to ndarray, optional
        Values of other parameters at the slab's points, of its shape.

    Returns
    -------
    chi2 : ndarray, shape (category, kept parameters)
    places : dict of str to ndarray, same shape
        By name the values at the minimum of what was reduced or known; "": the deepest dip of a
        parabola along the last axis.
    """
    chi2, left, places = slab, list(grid.names[1:]), dict(known or {})
    for name in reversed(grid.names[1:]):
        if name in keep:
            continue
        axis = 1 + left.index(name)
        moved = np.moveaxis(chi2, axis, -1)
        lowest = np.argmin(np.where(np.isnan(moved), np.inf, moved), axis=-1)[..., np.newaxis]
        places = {
            key: np.take_along_axis(np.moveaxis(values, axis, -1), lowest, -1)[..., 0]
            for key, values in places.items()
        }
        if name in grid.scanned[-1:]:
            places[""] = _deepest_dip(moved)
        chi2, places[name] = profile_last_axis(moved, grid.named[name])
        left.remove(name)
    return chi2, places


def _lines(planes: dict, grid: Grid) -> dict[str, np.ndarray]:
    """Profiles (category, n) of each parameter over physical points, from planes with the first."""
    first, second = grid.names[:2]
    result = {first: profile_last_axis(planes[first, second].inside, grid.named[second])[0]}
    for name in grid.names[1:]:
        over_first = planes[first, name].inside.swapaxes(1, 2)
        result[name] = profile_last_axis(over_first, grid.axes[0])[0]
    return result


def _edges(chi2: np.ndarray, grid: Grid) -> list[tuple[str, float, float]]:
    """Smallest chi2 above the minimum at each edge of a slab, of parameters that are scanned."""
    found = []
    scanned = [name for name in grid.names[1:] if name in grid.scanned]
    if len(scanned) > 1 and np.isfinite(chi2).any():
        for i, name in enumerate(grid.names[1:]):
            for end in (0, -1) if name in scanned else ():
                line = chi2.take(end, axis=i)
                if np.isfinite(line).any():
                    height = float(np.nanmin(line) - np.nanmin(chi2))
                    found.append((name, float(grid.named[name][end]), height))
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


def _few_steps(lines: dict[str, np.ndarray], grid: Grid, said: Notes) -> Notes:
    """Axes of the first plane that have few values in the 68% region.

    Not where it has all of them, and has no border, nor where an axis is said to be too coarse.
    """
    found: Notes = {}
    for name in grid.scanned[:2]:
        delta = lines[name] - np.nanmin(lines[name], initial=np.inf)
        inside = int(np.sum(delta <= delta_chi2_level(0.68, 2)))
        if inside < min(_FEW, delta.size) and not any(f"Steps of {name} " in note for note in said):
            if not inside:  # nothing valid
                continue
            step = grid.steps[name]
            enough = round_step(step * inside / (2 * _FEW))
            found[
                f"The grid is coarse for the regions drawn: the 68% region has {inside} value"
                f"{'s' * (inside > 1)} of {name}, in steps of {step:.2g}; {enough:.2g} would do."
            ] = ("regions",)
    return found


def _ragged(names: list[str], plane: _Plane, unmixed: np.ndarray, grid: Grid) -> Notes:
    """Categories whose borders the steps of the last axis do not resolve, and steps that would.

    In the first plane, where it is shown or profiled, and in the plane of the unmixed model, whose
    chi2 (category, others) is given, empty without one.
    """
    last = grid.scanned[-1] if grid.scanned else ""
    if last in plane.pair[:1] or last not in grid.steps:
        return {}
    chi2, dip = plane.inside, plane.places[""]
    if last == plane.pair[1]:
        chi2, dip = profile_last_axis(chi2, grid.named[last])[0], _deepest_dip(chi2)
    found = {name: _unresolved(chi2[i], dip[i], name == GLOBAL) for i, name in enumerate(names)}
    if unmixed.size:
        others = tuple(name for name in grid.names[1:] if name != last)
        chi2, places = reduced(unmixed, grid, others)
        found |= {
            f"{name} (unmixed)": _unresolved(chi2[i], places[""][i], name == GLOBAL)
            for i, name in enumerate(names)
        }
    ragged = {name: deepest for name, deepest in found.items() if deepest}
    if not ragged:
        return {}
    enough = grid.steps[last] * (_MOST_REFINED / max(ragged.values())) ** 0.5
    said = (
        f"Steps of {last} of {grid.steps[last]:.2g} do not resolve the contours of "
        f"{', '.join(ragged)}, which may be ragged or have islands; {enough:.2g} would."
    )
    where = {"regions": set(ragged) & set(names), "fig2": set(ragged) - set(names)}
    return {said: tuple(kind for kind, those in where.items() if those)}


def _unresolved(chi2: np.ndarray, dip: np.ndarray, both: bool) -> float:
    """How far chi2 dips between the nodes near a border of a region; 0 if that is resolved.

    It is not where a node is outside, with the minimum between it and the next perhaps inside, and
    no parabola is trusted: at more nodes than 2% of those inside.

    Parameters
    ----------
    chi2, dip : ndarray, the same shape
        Minimum over the last axis, and the deepest dip of a parabola there.
    both : bool
        Whether the 95% border is looked at, too, or that of 68% alone.
    """
    deepest = 0.0
    if (lowest := _smallest(chi2)) is None:
        return deepest
    delta, dip = chi2 - lowest, np.nan_to_num(dip)
    for level in (0.68, 0.95) if both else (0.68,):
        height = delta_chi2_level(level, 2)
        near = delta - dip <= height
        doubtful = near & (delta > height) & (dip > _MOST_REFINED)
        if np.sum(doubtful) > 0.02 * np.sum(near):
            deepest = max(deepest, float(np.quantile(dip[near & (dip > _MOST_REFINED)], 0.95)))
    return deepest


def _smallest(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else None


def _write_profile(
    path: str | Path,
    attributes: dict,
    names: list[str],
    grid: Grid,
    planes: dict[tuple[str, str], _Plane],
    lines: dict[str, np.ndarray],
) -> None:
    """Write planes and lines with their dimensions."""
    datasets: dict[str, tuple[np.ndarray, tuple[str, ...]]]
    datasets = {f"chi2_{name}": (line, (name,)) for name, line in lines.items()}
    for number, (pair, plane) in enumerate(planes.items()):
        group = f"{plane_group(pair)}/" if number else ""
        datasets[f"{group}chi2"] = plane.chi2, pair
        others = {name: values for name, values in plane.places.items() if name}
        datasets |= {f"{group}{name}_best": (values, pair) for name, values in others.items()}
    size = sum(values.nbytes for values, _ in datasets.values())
    with store.create(path, size=size, **attributes) as out:
        out.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
        for name, axis in grid.named.items():
            store.write_array(out, name, axis)
        for name in ("category", *grid.names):
            out[name].make_scale(name)
        for name, (values, dimensions) in datasets.items():
            store.write_array(out, name, values)
            for number, dimension in enumerate(("category", *dimensions)):
                out[name].dims[number].attach_scale(out[dimension])


def _census(file: h5py.File, physical: list[np.ndarray]) -> dict[str, int]:
    """Numbers of points of a scan: all, physical ones, and of these those that failed, and why."""
    reasons = {name: 0 for name in store.parse(file.attrs["status_values"])}
    counts = {"points": 0, "physical": 0} | reasons
    for i, inside in enumerate(physical):
        status = file["status"][i]
        inside = np.broadcast_to(inside, status.shape)
        counts["points"] += status.size
        counts["physical"] += int(np.sum(inside))
        for name, code in store.parse(file.attrs["status_values"]).items():
            counts[name] += int(np.sum((status == code) & inside))
    return counts


def _census_notes(census: dict[str, int]) -> Notes:
    """A scan in which there is nothing to fit says so."""
    if not census["physical"]:
        said = (
            f"No point of the scan is physical: |epsilon| > 1 at all {census['points']} points, so "
            "there is no best fit."
        )
        return {said: SHOWN}
    if not census["ok"]:
        said = (
            f"No valid point: of {census['physical']} points with |epsilon| <= 1, {census['ckm']} "
            f"have no CKM elements (smelli's extraction fails) and {census['error']} ended in an "
            "error, so there is no best fit."
        )
        return {said: SHOWN}
    return {}


class _BestPoints:
    """Best points of a scan, collected from one value of the first parameter after the other."""

    def __init__(
        self,
        names: list[str],
        grid: Grid,
        profiled: tuple[str, ...],
        fits: dict[str, dict[str, float]],
    ) -> None:
        self.names, self.grid = names, grid
        number = len(grid.names) + len(profiled)
        self.all: dict[str, Minimum] = {}
        on_grid = {
            name: held for name, held in fits.items() if held and held.keys() <= grid.named.keys()
        }
        self.held = {name: _held(grid, held) for name, held in on_grid.items()}
        self.fits: dict[str, dict[str, Minimum]] = {name: {} for name in on_grid}
        self.lines = {
            name: (np.full(len(axis), np.inf), np.full((len(axis), number), np.nan))
            for name, axis in grid.named.items()
        }

    def add(self, i: int, slab: np.ndarray, places: dict[str, np.ndarray]) -> None:
        """Look at the points with one value of the first parameter, (category, others)."""
        self._update(self.all, i, slab, places)
        for name, (first, others) in self.held.items():
            if first[i]:
                self._update(self.fits[name], i, np.where(others, slab, np.nan), places)
        number = self.names.index(GLOBAL)
        of_global = {name: values[number] for name, values in places.items()}
        self._update_lines(i, slab[number], of_global)

    def _update(self, best: dict[str, Minimum], i: int, slab: np.ndarray, places: dict) -> None:
        """Best point by category; the first in canonical order wins a tie."""
        for number, name in enumerate(self.names):
            if np.all(np.isnan(slab[number])):
                continue
            place = np.unravel_index(np.nanargmin(slab[number]), slab[number].shape)
            if name not in best or slab[(number, *place)] < best[name].chi2[name]:
                on_grid = self._points(i, place, {}).tolist()
                profiled = {key: float(values[(number, *place)]) for key, values in places.items()}
                best[name] = Minimum(
                    dict(zip(self.grid.names, on_grid, strict=True)) | profiled,
                    {c: float(slab[(m, *place)]) for m, c in enumerate(self.names)},
                )

    def _points(self, i: int, place: tuple, places: dict) -> np.ndarray:
        """Points, shape (..., n_parameters), by the indices of their other parameters."""
        values = [axis[j] for axis, j in zip(self.grid.axes[1:], place, strict=True)]
        first = np.full(np.shape(place[0]), self.grid.axes[0][i])
        return np.stack([first, *values, *(known[place] for known in places.values())], axis=-1)

    def _update_lines(self, i: int, slab: np.ndarray, places: dict) -> None:
        """Smallest chi2 at each value of each parameter, and its point."""
        filled = np.where(np.isnan(slab), np.inf, slab)
        first, *others = self.grid.names
        rows = {first: (np.array([i]), filled.reshape(1, -1), filled.shape)}
        for axis, name in enumerate(others):
            moved = np.moveaxis(filled, axis, 0)
            rows[name] = np.arange(len(moved)), moved.reshape(len(moved), -1), moved.shape[1:]
        for axis, (name, (row, flat, shape)) in enumerate(rows.items(), start=-1):
            lowest = flat.argmin(axis=1)
            chi2 = np.take_along_axis(flat, lowest[:, np.newaxis], 1)[:, 0]
            place = list(np.unravel_index(lowest, shape)) if shape else []
            if name != first:
                place.insert(axis, row)
            values, points = self.lines[name]
            better = chi2 < values[row]
            values[row[better]] = chi2[better]
            points[row[better]] = self._points(i, tuple(place), places)[better]

    def known_lines(self) -> dict[str, list[list[float]]]:
        """By parameter, the points (n, n_parameters) where its profile is known."""
        return {
            name: points[np.isfinite(values)].tolist()
            for name, (values, points) in self.lines.items()
        }


def _held(grid: Grid, fixed: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Which values of the first parameter, and points of the others, are those held fixed."""
    first, *others = (
        np.isclose(axis, fixed[name], rtol=1e-12, atol=1e-12)
        if name in fixed
        else np.ones(len(axis), dtype=bool)
        for name, axis in grid.named.items()
    )
    return first, reduce(np.logical_and.outer, others)


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
        prediction: float | str = ""
        pull: float | str = ""
        change: float | str = ""
        if predictions is not None:
            prediction = float(predictions[i])
            pull = float((predictions[i] - central[i]) / uncertainty[i])
            change = abs(pull) - float(abs(pull_sm))
        rows.append(
            {
                "observable": observable_key(data.observables[i]),
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


def summary(fit: Fit, chi2_sm: dict[str, float], n_obs: dict[str, int]) -> Fit:
    """A fit with its Delta chi2, degrees of freedom, information criteria and p-value.

    These are AIC = chi2 + 2 parameters and BIC = chi2 + parameters ln N.

    Parameters
    ----------
    fit : Fit
        Of which chi2 and the number of free parameters are known.
    chi2_sm, n_obs : dict
        By category and "global".
    """
    chi2, dof = fit.chi2[GLOBAL], n_obs[GLOBAL] - fit.parameters
    return replace(
        fit,
        dchi2={name: chi2_sm[name] - fit.chi2[name] for name in chi2_sm},
        dof=dof,
        AIC=chi2 + 2 * fit.parameters,
        BIC=chi2 + fit.parameters * float(np.log(n_obs[GLOBAL])),
        p_value=p_value(chi2, dof) if dof > 0 else None,
    )


def p_values_over(fit: Fit, nested: dict[str, Fit]) -> dict[str, float]:
    """p-values of the improvement over nested fits (Wilks), of those with fewer parameters.

    Parameters
    ----------
    fit : Fit
    nested : dict of str to Fit
        By name, those that are nested in it.
    """
    return {
        name: p_value(other.chi2[GLOBAL] - fit.chi2[GLOBAL], fewer)
        for name, other in nested.items()
        if (fewer := fit.parameters - other.parameters) > 0
    }
