"""What whoever reads the best fits of a run must know, in plain sentences.

`best_fit.json` holds them; the page and the end of a run have all of them, figures and Table 4
those that concern them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from malaphoric.data.categories import CATEGORIES, GLOBAL
from malaphoric.inference.fits import Box, free_parameters
from malaphoric.inference.results import UNMIXED, Curve, Fit, Fits, Notes, ScanResult
from malaphoric.inference.statistics import delta_chi2_level
from malaphoric.physics.parameters import BY_NAME, MASS, Parameter
from malaphoric.physics.smeft import M_REFERENCE

# chi2 between a fit and the grid that is not the fineness of a figure any more
_DISAGREE = 0.5

# points of the grid that an interval needs
_FEWEST = 3

# errors between two fits in one valley
_FAR = 3.0

# Where regions and intervals of the main fit are shown, and where stars and numbers of a fit.
_REGIONS = ("regions", "c9")
_SHOW_A_FIT = {
    "main": (*_REGIONS, "profiles", "pulls", "table4"),
    "unmixed": ("fig2", "c9", "table4"),
    "other": ("table4",),
}


def of_data(data: Mapping) -> list[str]:
    """Sentences on data that others than smelli's authors chose, of a configuration's key ``data``.

    They name overlays, and measurements that are included.
    """
    rules = [data[category].get("measurements", {}) for category in CATEGORIES if category in data]
    names = [*data["overlays"], *(name for rule in rules for name in rule.get("include", []))]
    return [f"With other data than smelli's: {_and(names)}."] if names else []


def of_fits(
    fits: Fits,
    grid: ScanResult,
    box: Box,
    M_X: float | None,
    levels: tuple[float, float],
    command: str,
    about: Mapping[str, Parameter] = BY_NAME,
) -> Notes:
    """Notes on the best fits and regions of a run.

    Parameters
    ----------
    fits : Fits
        With profiles, minimised ones or those of the grid, and intervals.
    grid : ScanResult
        From `statistics.profile`.
    box : dict
        From `fits.physical_box`.
    M_X : float or None
        In GeV; None where it is a parameter.
    levels : tuple of float
        The two confidence levels of the run's regions.
    command : str
        What proposes another box, if anything does.
    about : mapping, optional
        What is known of the parameters, see `Model.records`.
    """
    found, main = dict(grid.notes), fits.main
    for name, held in fits.held.items():
        shown = _SHOW_A_FIT["main" if not held else "unmixed" if held == UNMIXED else "other"]
        if fit := fits.found.get(name):
            found |= dict.fromkeys(_of_one(name, fit), shown)
        elif main:
            where = "box" if main.minimised else "grid"
            said = f"There is no {name} fit: no valid point of the {where} has {_at(held)}."
            found[said] = shown
    found |= dict.fromkeys(_valleys(fits, about), (*_REGIONS, "profiles", "fig2", "table4"))

    def physical(name: str, edge: float) -> bool:
        return _is_physical(about[name], edge, box, M_X)

    if main:
        loose = fits.unmixed.undetermined if fits.unmixed else []
        unmixed = _cut_unmixed(loose, grid.unmixed_edges, physical, levels)
        found |= dict.fromkeys(unmixed, ("fig2",))
        cut: Notes = {}
        for dimension, shown in ((2, _REGIONS), (1, ("profiles",))):
            for sentence in _cut(main, fits.profiles, box, physical, levels, dimension):
                cut[sentence] = (*cut.get(sentence, ()), *shown)
        found |= cut
        if cut and command:
            found[f"`{command}` proposes another box."] = ()
        found |= dict.fromkeys(_coarse(main, grid), ("regions",))
        found |= dict.fromkeys(_coarse_intervals(main, fits.profiles, levels), ("profiles",))
    return found | dict.fromkeys(_across(fits, about), ("profiles",))


def _valleys(fits: Fits, about: Mapping[str, Parameter]) -> list[str]:
    """Whether the unmixed and the main fit are in different valleys of an angle.

    So they are if it has another sign, or is far away, in errors of both.
    """
    names = {name: fit for name, fit in fits.found.items() if fit in (fits.main, fits.unmixed)}
    if len(names) < 2:
        return []
    (one, a), (other, b) = names.items()
    places = []
    for name in a.values:
        period = about[name].period
        if period is None or {name} & {*a.undetermined, *b.undetermined}:
            continue
        x, y = a.values[name], b.values[name]
        apart = (x - y + period / 2) % period - period / 2  # the same again after a period
        errors = [np.nan_to_num(fit.errors.get(name) or about[name].size) for fit in (a, b)]
        other_sign = abs(x) > errors[0] and abs(x - apart) > errors[1] and x * (x - apart) < 0
        if other_sign or abs(apart) > _FAR * np.hypot(*errors):
            places.append(f"{name} = {x:.3g} and {y:.3g}")
    if not places:
        return []
    return [f"The {one} and the {other} fit lie in different valleys: {_and(places)}."]


def _across(fits: Fits, about: Mapping[str, Parameter]) -> list[str]:
    """How intervals across the border of a period are to be read."""
    sentences = []
    for name, of_levels in fits.intervals.items():
        last = fits.profiles[name].values[-1]
        ends = [high for pieces in of_levels.values() for _, high in pieces if high and high > last]
        if ends:
            period = about[name].period or 0.0
            same = " and ".join(f"{end:.4g} is {end - period:.4g}" for end in ends)
            sentences.append(
                f"Intervals of {name} go on across the border of the box, because everything is "
                f"the same again after {period:.4g}: {same}."
            )
    return sentences


def _of_one(name: str, fit: Fit) -> list[str]:
    sentences = []
    if loose := fit.undetermined:
        sentences.append(
            f"{_and(loose)} of the {name} fit mean{'s' * (len(loose) == 1)} nothing: chi2 does not "
            "depend on it there."
        )
    elif not fit.valid:
        sentences.append(
            f"The {name} fit did not converge: it is the best point found, not a proven minimum."
        )
    if at_limit := [n for n in fit.at_limit if n not in loose]:
        sentences.append(
            f"The {name} fit has {_and(at_limit)} at a limit of the box or of |epsilon| <= 1, "
            "where errors and p-values by Wilks' theorem do not hold."
        )
    if fit.other_minima:
        also = "; and at ".join(
            f"{_at(other.values)} ({other.chi2[GLOBAL] - fit.chi2[GLOBAL]:.2f} higher)"
            for other in fit.other_minima
        )
        sentences.append(f"The {name} fit is not the only minimum: chi2 has another at {also}.")
    return sentences


def _at(values: dict[str, float]) -> str:
    # a parameter at its limit 0 comes out as 1e-16
    return _and([f"{name} = {round(value, 9) + 0:.4g}" for name, value in values.items()])


def _cut(
    fit: Fit,
    profiles: dict[str, Curve],
    box: Box,
    physical: Callable[[str, float], bool],
    levels: tuple[float, float],
    dimension: int,
) -> list[str]:
    """What of the regions of two parameters, or the intervals of one, reaches an edge of the box.

    Physical limits are no edges.
    """
    shape = "region" if dimension == 2 else "interval"
    edges: dict[str, list[str]] = {}
    for name in free_parameters(box):
        curve = profiles.get(name)
        if name in fit.undetermined or curve is None or not curve.values.size:
            continue
        for end, edge in ((0, box[name][0]), (-1, box[name][1])):
            if physical(name, edge) or curve.values[end] != edge:
                continue
            height = curve.chi2[end] - curve.chi2.min()
            what = ["best fit"] if abs(fit.values[name] - edge) < 1e-3 * np.ptp(box[name]) else []
            inside = [x for x in levels if height <= delta_chi2_level(x, dimension)]
            what += [f"{100 * x:g}% {shape}" for x in inside]
            if what:
                edges.setdefault(what[0], []).append(f"{name} = {edge:g}")
    return _reaching(edges)


def _reaching(edges: dict[str, list[str]]) -> list[str]:
    """Sentences on what reaches which edges of the box."""
    return [
        f"The {what} reaches the edge of the box at {_and(places)}: what lies beyond is not seen."
        for what, places in edges.items()
    ]


def _cut_unmixed(
    undetermined: list[str],
    edges: list[tuple[str, float, float]],
    physical: Callable[[str, float], bool],
    levels: tuple[float, float],
) -> list[str]:
    """What of the unmixed model reaches an edge of its plane."""
    found: dict[str, list[str]] = {}
    for name, edge, height in edges:
        place = f"{name} = {edge:g}"
        inside = [f"{100 * x:g}%" for x in levels if height <= delta_chi2_level(x, 2)]
        known = name not in undetermined and not physical(name, edge)
        if inside and known:
            found.setdefault(f"{inside[0]} region of the unmixed model", []).append(place)
    return _reaching(found)


def _is_physical(parameter: Parameter, edge: float, box: Box, M_X: float | None) -> bool:
    """Whether nothing can be beyond an edge, or only the same points again."""
    if parameter.range and edge in parameter.range:
        return True
    name, period = parameter.name, parameter.period
    if name == "epsilon_hat":
        return abs(edge) * (M_X or box[MASS][0]) / M_REFERENCE > 1 - 1e-9
    if name == "g_hat":
        return edge == 0
    return period is not None and (np.ptp(box[name]) > period or parameter.is_all_round(*box[name]))


def _coarse(fit: Fit, grid: ScanResult) -> list[str]:
    """Whether the grid is too coarse for the regions that are drawn from it."""
    sentences = []
    assert grid.minimum is not None  # there is a fit
    difference = grid.minimum - fit.chi2[GLOBAL]
    if abs(difference) > _DISAGREE:
        errors = {k: v for k, v in fit.errors.items() if v and np.isfinite(v)}
        wide = [
            f"{name} (steps of {step:.2g}, error {errors[name]:.2g})"
            for name, step in grid.steps.items()
            if name in errors and step > errors[name]
        ]
        sentences.append(
            f"The grid is too coarse for the regions drawn: its smallest profile chi2 is "
            f"{abs(difference):.1f} {'above' if difference > 0 else 'below'} the best fit"
            + (f"; more points are needed in {_and(wide)}." if wide else ".")
        )
    return sentences


def _coarse_intervals(
    fit: Fit, profiles: dict[str, Curve], levels: tuple[float, float]
) -> list[str]:
    """Parameters whose intervals are read off a grid that is too coarse for them."""
    sentences = []
    for name, curve in profiles.items() if not fit.minimised else ():
        chi2 = curve.chi2
        if chi2.size and np.sum(chi2 - chi2.min() <= delta_chi2_level(levels[0], 1)) < _FEWEST:
            sentences.append(
                f"The grid is too coarse for the intervals of {name}: fewer than {_FEWEST} of its "
                f"values lie in the {100 * levels[0]:g}% interval."
            )
    return sentences


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
