"""What whoever reads the best fits of a run must know, in plain sentences.

`best_fit.json` holds them; the job that writes it, the figures and Table 4 repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from malaphoric.data.categories import GLOBAL
from malaphoric.inference.fits import Box, free_parameters
from malaphoric.inference.statistics import delta_chi2_level, main_fit, unmixed_fit
from malaphoric.physics.parameters import BY_NAME, MASS, Parameter
from malaphoric.physics.smeft import M_REFERENCE

# chi2 between a fit and the grid that is not the fineness of a figure any more
_DISAGREE = 0.5

# points of the grid that an interval needs
_FEWEST = 3


_UNMIXED_REGION = "region of the unmixed model"


def without_unmixed_region(notes: Iterable[str]) -> list[str]:
    """Sentences of figures that do not show the region of the unmixed model; Fig. 2 has all."""
    return [note for note in notes if _UNMIXED_REGION not in note]


def of_data(overlays: Iterable[str]) -> list[str]:
    """Sentences on data that others than smelli's authors chose: names of overlaid files."""
    names = list(overlays)
    return [f"With overlaid data: {_and(names)}."] if names else []


def of_fits(
    fits: dict[str, Any],
    grid: dict,
    profiles: dict[str, dict[str, list]],
    box: Box,
    M_X: float | None,
    levels: tuple[float, float],
    command: str,
    about: Mapping[str, Parameter] = BY_NAME,
) -> list[str]:
    """Sentences on the best fits and regions of a run.

    Parameters
    ----------
    fits : dict
        From `fits.best_fits`.
    grid : dict
        From `statistics.profile`.
    profiles : dict
        By parameter, `statistics.grid_profiles` or minimised ones.
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
    sentences = list(grid["notes"])
    main = main_fit(fits)
    for name, held in fits["fits"].items():
        if fit := fits[name]:
            sentences += _of_one(name, fit, box)
        elif main:
            where = "box" if main["method"].startswith("minimised") else "grid"
            sentences.append(
                f"There is no {name} fit: no valid point of the {where} has {_at(held)}."
            )

    def physical(name: str, edge: float) -> bool:
        return _is_physical(about[name], edge, box, M_X)

    cut = _cut(main, profiles, box, physical, levels) if main else []
    if main:
        unmixed = unmixed_fit(fits) or {}
        sentences += _cut_unmixed(unmixed, grid["unmixed_edges"], cut, physical, levels)
        if cut:
            sentences += cut
            if command:
                sentences.append(f"`{command}` proposes another box.")
        sentences += _coarse(main, grid, profiles, levels)
    return sentences


def _of_one(name: str, fit: dict, box: Box) -> list[str]:
    sentences = []
    if loose := fit.get("undetermined"):
        sentences.append(
            f"{_and(loose)} of the {name} fit mean{'s' * (len(loose) == 1)} nothing: chi2 does not "
            "depend on it there."
        )
    elif not fit.get("valid", True):
        sentences.append(
            f"The {name} fit did not converge: it is the best point found, not a proven minimum."
        )
    if at_limit := [n for n in fit.get("at_limit", ()) if n not in (loose or ())]:
        sentences.append(
            f"The {name} fit has {_and(at_limit)} at a limit of the box or of |epsilon| <= 1, "
            "where errors and p-values by Wilks' theorem do not hold."
        )
    if others := fit.get("other_minima"):
        places = [
            f"{_at({k: other[k] for k in box})} ({other['chi2'][GLOBAL] - fit['chi2'][GLOBAL]:.2f} "
            "higher)"
            for other in others
        ]
        also = "; and at ".join(places)
        sentences.append(f"The {name} fit is not the only minimum: chi2 has another at {also}.")
    return sentences


def _at(values: dict[str, float]) -> str:
    # a parameter at its limit 0 comes out as 1e-16
    return _and([f"{name} = {round(value, 9) + 0:.4g}" for name, value in values.items()])


def _cut(
    fit: dict,
    profiles: dict[str, dict[str, list]],
    box: Box,
    physical: Callable[[str, float], bool],
    levels: tuple[float, float],
) -> list[str]:
    """What reaches an edge of the box that is no physical limit."""
    edges: dict[str, list[str]] = {}
    for name in free_parameters(box):
        curve = profiles.get(name, {"values": []})
        if name in fit.get("undetermined", ()) or not curve["values"]:
            continue
        for end, edge in ((0, box[name][0]), (-1, box[name][1])):
            if physical(name, edge) or curve["values"][end] != edge:
                continue
            height = curve["chi2"][end] - min(curve["chi2"])
            what = ["best fit"] if abs(fit[name] - edge) < 1e-3 * np.ptp(box[name]) else []
            what += [f"{100 * x:g}% region" for x in levels if height <= delta_chi2_level(x, 2)]
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
    fit: dict,
    edges: list,
    said: list[str],
    physical: Callable[[str, float], bool],
    levels: tuple[float, float],
) -> list[str]:
    """What of the unmixed model reaches an edge of its plane, and was not said of both models."""
    found: dict[str, list[str]] = {}
    for name, edge, height in edges:
        place = f"{name} = {edge:g}"
        inside = [f"{100 * x:g}%" for x in levels if height <= delta_chi2_level(x, 2)]
        loose = name in fit.get("undetermined", ()) or physical(name, edge)
        if inside and not loose and not any(place in sentence for sentence in said):
            found.setdefault(f"{inside[0]} {_UNMIXED_REGION}", []).append(place)
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
    return period is not None and np.ptp(box[name]) > period - 1e-9


def _coarse(
    fit: dict, grid: dict, profiles: dict[str, dict[str, list]], levels: tuple[float, float]
) -> list[str]:
    """Where the grid is too coarse for what is read off it."""
    sentences = []
    difference = grid["minimum"] - fit["chi2"][GLOBAL]
    if abs(difference) > _DISAGREE:
        errors = {k: v for k, v in fit.get("errors", {}).items() if v and np.isfinite(v)}
        wide = [
            f"{name} (steps of {step:.2g}, error {errors[name]:.2g})"
            for name, step in grid["steps"].items()
            if name in errors and step > errors[name]
        ]
        sentences.append(
            f"The grid is too coarse for the regions drawn: its smallest profile chi2 is "
            f"{abs(difference):.1f} {'above' if difference > 0 else 'below'} the best fit"
            + (f"; more points are needed in {_and(wide)}." if wide else ".")
        )
    if fit["method"].startswith("minimised"):
        return sentences  # intervals are not read off the grid
    for name, curve in profiles.items():
        chi2 = np.array(curve["chi2"])
        if len(chi2) and np.sum(chi2 - chi2.min() <= delta_chi2_level(levels[0], 1)) < _FEWEST:
            sentences.append(
                f"The grid is too coarse for the intervals of {name}: fewer than {_FEWEST} of its "
                f"values lie in the {100 * levels[0]:g}% interval."
            )
    return sentences


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
