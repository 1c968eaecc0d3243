"""Figures of publication quality from stored scans and profiles; one style for all of them.

No statistics here beyond drawing the level of a contour.
"""

from __future__ import annotations

import io
import json
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox, ScaledTranslation

from malaphoric import store
from malaphoric.data.categories import COLOURS, GLOBAL
from malaphoric.inference import c9
from malaphoric.inference.results import Curve, Fit, Fits
from malaphoric.inference.statistics import (
    category_names,
    delta_chi2_level,
    grid_of,
    grid_profiles,
    intervals,
    plane_group,
    planes_of,
    profiled_of,
    reduced,
)
from malaphoric.physics.parameters import BY_NAME, MASS, Parameter, is_physical
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan.grid import Grid

#: Pixels of an inch of a PNG.
DOTS = 300

_STYLE = {
    "font.family": "serif",
    "font.serif": ["STIX Two Text", "STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 9,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.framealpha": 0.9,
    "legend.labelspacing": 0.35,
    "legend.columnspacing": 1.4,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.5,
    "patch.linewidth": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "pdf.fonttype": 42,  # embedded TrueType, editable and searchable
    "savefig.dpi": DOTS,
    "figure.dpi": DOTS,  # of the layout, too: formulas are set once for each size of a dot
}

# Widths of a journal's column and of its page, 86 and 178 mm: figures are printed as they are.
_COLUMN, _WIDE = 86 / 25.4, 178 / 25.4

# what its star is called: of the model without kinetic mixing
_UNMIXED = r"unmixed best fit ($\hat\epsilon = 0$)"

# what the legend says of regions
_EACH = "allowed by each category of data alone, and by all together (global)"
_ALL = "allowed by all data together (global)"
_DIRECT = "direct fit: these two coefficients free, nothing else new"

_COMPUTED = "#F4F4F4"  # where theory exists; white is where the CKM extraction fails

_ROUGH = 50  # nodes of 961: chi2 has some real kinks, where another minimum takes over

_BEFORE = "0.4"  # the first of two runs

_BELOW = -1e9  # any chi2: unphysical points may be better than the best physical one


@dataclass(frozen=True)
class Page:
    """What the figures of a run have in common.

    Attributes
    ----------
    title : str
        Name of the model.
    M_X : float or None
        In GeV; None where it is a parameter, or there are several.
    levels : tuple of float
        Two confidence levels.
    fits : Fits, optional
        Best fits, profiles and notes, as far as there are any.
    about : mapping, optional
        What is known of the parameters, see `Model.records`.
    fixed : mapping, optional
        Values of parameters other than M_X that are the same in the whole run, to be named.
    """

    title: str
    M_X: float | None
    levels: tuple[float, float]
    fits: Fits = field(default_factory=Fits)
    about: Mapping[str, Parameter] = field(default_factory=lambda: BY_NAME)
    fixed: Mapping[str, float] = field(default_factory=dict)


def _new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (_COLUMN, 2.9), **options: Any
) -> tuple[Figure, Any]:
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)


@contextmanager
def _drawn(
    pdf: str | Path,
    png: str | Path,
    notes: Iterable[str] = (),
    about: Mapping[str, Parameter] = BY_NAME,
    mark: str = "",
    **shape: Any,
) -> Iterator[tuple[Figure, Any]]:
    """A new figure in our style and its axes, written in the end; `shape` is for `_new_figure`."""
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure(**shape)
        yield figure, axes
        _save(figure, pdf, png, notes, about, mark)


@contextmanager
def _panel(
    pdf: str | Path,
    png: str | Path,
    notes: Iterable[str],
    about: Mapping[str, Parameter],
    mark: str = "",
) -> Iterator[tuple[Axes, list]]:
    """The axes of a figure of one panel, and what its legend says, which is to be added.

    That is handles, and sentences about what they do not show.
    """
    with _drawn(pdf, png, notes, about, mark) as (_, axes):
        handles: list = []
        yield axes, handles
        _legend(axes, handles)


def _save(
    figure: Figure,
    pdf: str | Path,
    png: str | Path,
    notes: Iterable[str] = (),
    about: Mapping[str, Parameter] = BY_NAME,
    mark: str = "",
) -> None:
    """Write PDF and PNG (with a mark) whole and without time stamps; notes in small print below."""
    width, height = figure.get_size_inches()
    wrap = textwrap.TextWrapper(int(26 * width), break_on_hyphens=False).wrap  # names have some
    lines = [line for note in notes for line in wrap(note)]
    figure.draw_without_rendering()  # everything stays where it is when the page grows
    figure.set_layout_engine(None)  # nor is it drawn once more for each file
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
    if lines:
        style = dict(fontsize=6, va="top", linespacing=1.15, in_layout=False)
        text = "\n".join(_typeset(line, about) for line in lines)
        figure.text(0.02, -0.02 / height, text, **style)
    area = Bbox([[0, -0.06 - 0.1 * len(lines)], [width, height]]) if lines else None
    for path, form in ((pdf, "pdf"), (png, "png")):
        metadata = {"CreationDate": None} if form == "pdf" else {"Software": None, "Comment": mark}
        drawn = io.BytesIO()
        figure.savefig(drawn, format=form, metadata=metadata, bbox_inches=area)
        store.write_bytes(path, drawn.getvalue())
    plt.close(figure)


def _typeset(text: str, about: Mapping[str, Parameter]) -> str:
    """Text with the symbols of parameters instead of their names; nothing else in it is LaTeX."""
    symbols = {name: record.symbol for name, record in about.items()}
    symbols |= {"chi2": r"\chi^2", "epsilon": r"\epsilon"}
    # a name without an index may be an English word, too
    alone = [name for name in symbols if "_" in name or name == "chi2"]
    valued = [name for name in symbols if name not in alone]
    names = "|".join(map(re.escape, alone)), "|".join(map(re.escape, valued))
    pattern = rf"(?<![\w/-])(?:(?:{names[0]})|(?:{names[1]})(?=\|| =| \())(?![\w-])"
    plain = text.replace("$", r"\$").replace("<=", "≤")
    return re.sub(pattern, lambda m: f"${symbols[m.group()]}$", plain)


def _regions(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    chi2: dict[str, np.ndarray],
    levels: tuple[float, float],
    physical: np.ndarray | bool = True,
) -> list:
    """Fill the 68% region of each category and the 68/95% regions of the global fit.

    Parameters
    ----------
    axes : matplotlib Axes
    x, y : ndarray, shapes (nx,), (ny,), or both (ny, nx)
    chi2 : dict of str to ndarray, shape (nx, ny)
    levels : tuple of float
        The two confidence levels.
    physical : ndarray of bool, shape (nx, ny), optional
        Regions are relative to the minimum of each category where this holds.

    Returns
    -------
    list
        What the legend says: handles of what is drawn, and sentences.
    """
    computed = np.isfinite(chi2["global"])
    handles, behind = [], _background(axes, x, y, computed, physical)
    if not (computed & physical).any():
        what = "no physical point" if computed.any() else "no valid point"
        axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", va="center", zorder=7)
    else:
        handles += _allowed(axes, x, y, chi2, levels, physical)
    return [*handles, *behind]


def _background(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    computed: np.ndarray,
    physical: np.ndarray | bool,
) -> list:
    """Shade where there is chi2, (nx, ny); returns handles of what is shaded and what is not."""
    handles = []
    if computed.any():
        _shade(axes, x, y, computed)
        handles.append(Patch(facecolor=_COMPUTED, edgecolor="0.6", label="computed"))
    if not (computed | np.logical_not(physical)).all():
        handles.append(
            Patch(facecolor="white", edgecolor="0.6", label="no CKM elements, no $\\chi^2$")
        )
    return handles


def _shade(axes: Axes, x: np.ndarray, y: np.ndarray, computed: np.ndarray) -> None:
    shade = np.where(computed, 1.0, np.nan).T
    axes.contourf(x, y, shade, levels=[0.5, 1.5], colors=[_COMPUTED], zorder=0)


def _allowed(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    chi2: dict[str, np.ndarray],
    levels: tuple[float, float],
    physical: np.ndarray | bool = True,
) -> list:
    """The regions of `_regions`, without what is behind them."""
    heights = [delta_chi2_level(level, 2) for level in levels]
    percent = [f"{100 * level:g}%" for level in levels]
    handles: list = [_EACH, _heights(levels)]
    for name, values in chi2.items():
        delta = (values - np.nanmin(np.where(physical, values, np.nan))).T
        draw: Callable[..., list] = _global_regions if name == "global" else _category_region
        handles += draw(axes, x, y, delta, name, heights, percent)
    return handles


def _unbound(name: str, level: str) -> str:
    """What the legend says of a region that is all of the plane."""
    return f"at {level} the whole plane is allowed by: {name}"


def _heights(levels: tuple[float, float]) -> str:
    """What the legend says of two confidence levels."""
    said = (f"{delta_chi2_level(level, 2):.2f} ({100 * level:g}%)" for level in levels)
    return rf"$\Delta\chi^2$ < {', '.join(said)} above the lowest physical point"


def _lines(axes: Axes, x: np.ndarray, y: np.ndarray, delta: np.ndarray, **style: object) -> tuple:
    """Contours, and whether each of them is anywhere in the plane."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No contour levels were found")
        lines = axes.contour(x, y, delta, **style)
    return lines, [len(path.vertices) > 0 for path in lines.get_paths()]


def _outlines(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    delta: np.ndarray,
    levels: tuple[float, float],
    label: str,
    colour: str = "black",
) -> list:
    """Borders of the 68/95% regions of chi2 above its minimum, (nx, ny); returns handles."""
    heights = [delta_chi2_level(level, 2) for level in levels]
    styles = ("solid", "dashed")
    look = {"colors": colour, "linewidths": 0.9, "linestyles": styles, "zorder": 5}
    _, seen = _lines(axes, x, y, delta.T, levels=heights, **look)
    return [
        Line2D([], [], color=colour, lw=0.9, linestyle=style, label=f"{label} {100 * level:g}%")
        if drawn
        else _unbound(label, f"{100 * level:g}%")
        for style, level, drawn in zip(styles, levels, seen, strict=True)
    ]


def _global_regions(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    delta: np.ndarray,
    name: str,
    heights: list[float],
    percent: list[str],
    label: str = "global",
) -> list:
    colour = COLOURS[name]
    axes.contourf(x, y, delta, levels=[_BELOW, heights[0]], colors=[colour], alpha=0.75, zorder=3)
    styles = {"linewidths": [1.0, 1.0], "linestyles": ["solid", "dashed"], "zorder": 4}
    _, seen = _lines(axes, x, y, delta, levels=heights, colors=[colour], **styles)
    return [
        Patch(facecolor=colour, alpha=0.75, label=f"{label} {percent[0]}"),
        Line2D([], [], color=colour, linestyle="dashed", label=f"{label} {percent[1]}")
        if seen[1]
        else _unbound(label, percent[1]),
    ]


def _category_region(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    delta: np.ndarray,
    name: str,
    heights: list[float],
    percent: list[str],
) -> list:
    colour, height = COLOURS[name], heights[0]
    if np.nanmax(delta) <= height:
        return [_unbound(name, percent[0])]
    style = {"levels": [height], "colors": [colour], "zorder": 2}
    if np.mean(delta[np.isfinite(delta)] <= height) < 0.5:
        inside = [_BELOW, height]
        axes.contourf(x, y, delta, levels=inside, colors=[colour], alpha=0.3, zorder=2)
        _lines(axes, x, y, delta, linewidths=0.8, **style)
        label = f"{name} {percent[0]}"
        return [Patch(facecolor=colour, alpha=0.4, edgecolor=colour, label=label)]
    # most of the plane is allowed: a border with ticks keeps the plane readable
    border, (seen,) = _lines(axes, x, y, delta, linewidths=0.9, **style)
    if not seen:
        return [f"bound at {percent[0]} beside white only: {name}"]
    border.set(path_effects=[patheffects.withTickedStroke(angle=-90, spacing=5, length=0.6)])
    border_of = Line2D([], [], color=colour, label=f"{name} {percent[0]}")
    return [border_of, "ticks point to the allowed side"]


def _star(
    axes: Axes,
    place: Iterable[float],
    known: bool = True,
    label: str = "best fit",
    colour: str = "black",
) -> list:
    """A best fit, hollow where the data do not determine it."""
    style = dict(marker="*", markersize=7, color=colour, linestyle="none")
    style |= {"label": label} if known else {"label": f"{label} (not determined)", "mfc": "none"}
    axes.plot(*([x] for x in place), zorder=6, clip_on=False, **style)
    return [Line2D([], [], **style)]


def _star_of(axes: Axes, fit: Fit | None, pair: tuple[str, str], **look: str) -> list:
    """The star of a fit, if there is one, in a plane of two parameters; `look` is for `_star`."""
    return _star(axes, [fit.values[n] for n in pair], fit.determines(pair), **look) if fit else []


def _titles(page: Page, *parts: str) -> list[str]:
    said = [*parts, *(f"${page.about[name].symbol} = {x:g}$" for name, x in page.fixed.items())]
    said += [rf"$M_X = {page.M_X / 1000:g}$ TeV"] if page.M_X else []
    return [page.title, *filter(None, said)]


def _title(axes: Axes, page: Page, *parts: str) -> None:
    said = _titles(page, *parts)
    renderer, room = axes.figure.canvas.get_renderer(), 0.85 * axes.figure.bbox.width
    lines = said[:1]
    for part in said[1:]:
        longer = f"{lines[-1]}, {part}"
        fits = axes.set_title(longer).get_window_extent(renderer).width < room
        lines = [*lines[:-1], longer] if fits else [*lines[:-1], f"{lines[-1]},", part]
    axes.set_title("\n".join(lines))


def _label(axes: Axes, pair: tuple[str, str], about: Mapping[str, Parameter]) -> None:
    axes.set_xlabel(about[pair[0]].label)
    axes.set_ylabel(about[pair[1]].label)


def _limit(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Show what was scanned and nothing else; a best fit outside is not drawn."""
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])


def _legend(axes: Axes, said: list) -> None:
    """Handles below all panels, and above them sentences; the figure grows by its height."""
    figure = axes.figure
    handles = [handle for handle in said if not isinstance(handle, str)]
    title = "\n".join(_sentences(words for words in said if isinstance(words, str)))
    for columns in (3, 2, 1):  # as many as fit
        # outside: whatever the model, no region is hidden
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
        legend = figure.legend(handles=handles, title=title, alignment="left", **place)
        legend.get_title().set_linespacing(1.15)
        box = legend.get_window_extent(figure.canvas.get_renderer())
        if box.width < figure.bbox.width:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)


def _sentences(said: Iterable[str]) -> list[str]:
    """Lines of a legend; what is said of several names, after a colon, is said once."""
    names: dict[str, dict[str, None]] = {}
    for sentence in said:
        head, _, name = sentence.partition(": ")
        names.setdefault(head, {})[name] = None
    width = 74  # letters that fit a column
    return [
        line
        for head, of in names.items()
        for line in textwrap.wrap(": ".join(filter(None, [head, ", ".join(of)])), width)
    ]


def plane(scan: str | Path, page: Page, pdf: str | Path, png: str | Path) -> None:
    """Figure 2: regions of the unmixed model in the plane of its first two scanned parameters.

    Parameters
    ----------
    scan : path
        A ``scan.h5`` whose grid contains epsilon_hat = 0.
    page : Page
    pdf, png : path
        Files to write.
    """
    with store.read(scan) as file:
        grid = grid_of(file)
        slab, names = file["chi2"][:, grid.unmixed], category_names(file)
        profiled = profiled_of(file)
    first, second, *_ = (name for name in grid.scanned if name != grid.names[0])
    pair = (first, second)
    values = dict(zip(names, reduced(slab, grid, pair)[0], strict=True))
    x, y = (grid.named[name] for name in pair)
    with _panel(pdf, png, page.fits.notes_below("fig2"), page.about) as (axes, handles):
        handles += _regions(axes, x, y, values, page.levels)
        handles += _star_of(axes, page.fits.unmixed, pair, label=_UNMIXED)
        _label(axes, pair, page.about)
        _limit(axes, x, y)
        others = _profiled(grid, (*pair, grid.names[0]), profiled, page.about)
        _title(
            axes, page, *([] if "epsilon_hat" in page.fixed else [r"$\hat\epsilon = 0$"]), others
        )


_UNPHYSICAL = dict(facecolor="none", edgecolor="0.45", hatch="/////", linewidth=0)


def _mark_unphysical(axes: Axes, epsilon_hat: np.ndarray, M_X: float) -> list:
    """Hatch |epsilon| > 1, where a kinetic term has the wrong sign (below eq. (2.1))."""
    limit = M_REFERENCE / M_X
    shown = False
    for low, high in ((epsilon_hat[0], -limit), (limit, epsilon_hat[-1])):
        if low < high:
            axes.axvspan(low, high, zorder=5, **_UNPHYSICAL)
            axes.axvline(high if high < 0 else low, color="0.45", linewidth=0.8, zorder=5)
            shown = True
    return [_unphysical_patch()] if shown else []


def _unphysical_patch() -> Patch:
    return Patch(label=r"unphysical: $|\epsilon| > 1$", **_UNPHYSICAL)


def _plane_in(file: h5py.File, grid: Grid, pair: tuple[str, str]) -> h5py.Group:
    """Where a ``profile.h5`` has a plane."""
    return file if pair == planes_of(grid)[0] else file[plane_group(pair)]


def profile_regions(
    profile: str | Path,
    page: Page,
    pdf: str | Path,
    png: str | Path,
    pair: tuple[str, str] | None = None,
) -> None:
    """Figure 3, left: regions in a plane of a scan, all other parameters profiled.

    Parameters as for `plane`, with a ``profile.h5``; ``pair``: the plane (default: the first).
    """
    with store.read(profile) as file:
        grid, profiled = grid_of(file), profiled_of(file)
        pair = pair or planes_of(grid)[0]
        chi2 = _plane_in(file, grid, pair)["chi2"][:]
        values = dict(zip(category_names(file), chi2, strict=True))
    x, y = (grid.named[name] for name in pair)
    with _panel(pdf, png, page.fits.notes_below("regions"), page.about) as (axes, handles):
        handles += _regions(axes, x, y, values, page.levels, _physical(pair, grid, page.M_X))
        handles += _finish_profile(axes, pair, grid, page)
        _title(axes, page, _profiled(grid, pair, profiled, page.about))


def compared_regions(
    profiles: Mapping[str, str | Path],
    before: Fits,
    page: Page,
    pdf: str | Path,
    png: str | Path,
    pair: tuple[str, str],
) -> None:
    """Global regions of two runs in a plane, all other parameters profiled.

    Parameters
    ----------
    profiles : mapping of str to path
        By the names of the runs, a ``profile.h5`` each: outlines of the first, the second filled.
    before : Fits
        Of the first run; those of the second are the page's.
    page : Page
    pdf, png : path
        Files to write.
    pair : tuple of str
        The plane.
    """
    old, new = profiles
    with _panel(pdf, png, page.fits.notes_below("regions"), page.about) as (axes, handles):
        handles += [_ALL, _heights(page.levels)]
        for name, path in profiles.items():
            grid, profiled, chi2 = _plane_by_category(path, pair)
            handles += _one_of_two(axes, pair, grid, chi2[GLOBAL], page, name, name == old)
        look = {"label": f"best fit, {old}", "colour": _BEFORE}
        handles += _star_of(axes, before.main, pair, **look)
        handles += _finish_profile(axes, pair, grid, page, f"best fit, {new}")
        _title(axes, page, _profiled(grid, pair, profiled, page.about))


def compared_categories(
    profiles: Mapping[str, str | Path],
    page: Page,
    pdf: str | Path,
    png: str | Path,
    pair: tuple[str, str],
) -> None:
    """Regions of each category alone, of two runs in a plane, all other parameters profiled.

    Parameters as for `compared_regions`.
    """
    old, new = profiles
    planes = {name: _plane_by_category(path, pair) for name, path in profiles.items()}
    grid, profiled, latest = planes[new]
    categories = [name for name in latest if name != GLOBAL]
    rows = -(-len(categories) // 2)
    shape: dict[str, Any] = {"rows": rows, "columns": 2, "size": (_WIDE, 2.5 * rows)}
    below = page.fits.notes_below("regions")
    with _drawn(pdf, png, below, page.about, squeeze=False, **shape) as (figure, panels):
        said = ["allowed by each category of data alone", _heights(page.levels)]
        lines: dict[str, Any] = {}
        for axes, category in zip(panels.flat, categories, strict=False):
            x, y = (grid.named[name] for name in pair)
            computed = np.isfinite(latest[category])
            behind = _background(axes, x, y, computed, _physical(pair, grid, page.M_X))
            handles: list = []
            for name, (own, _, chi2) in planes.items():
                if category in chi2:
                    handles += _one_of_two(axes, pair, own, chi2[category], page, name, name == old)
            handles += _finish_profile(axes, pair, grid, page, f"best fit of all data, {new}")
            handles += behind
            said += [f"{category}, {words}" for words in handles if isinstance(words, str)]
            lines |= {x.get_label(): x for x in handles if not isinstance(x, str)}
            axes.set_title(category)
        for axes in panels.flat[len(categories) :]:
            axes.remove()
        figure.suptitle(", ".join(_titles(page, _profiled(grid, pair, profiled, page.about))))
        _legend(panels.flat[0], [*said, *lines.values()])


def _plane_by_category(
    profile: str | Path, pair: tuple[str, str]
) -> tuple[Grid, tuple[str, ...], dict[str, np.ndarray]]:
    """Grid of a ``profile.h5``, what else was minimised, and chi2 (nx, ny) by category."""
    with store.read(profile) as file:
        grid = grid_of(file)
        chi2 = _plane_in(file, grid, pair)["chi2"]
        return grid, profiled_of(file), dict(zip(category_names(file), chi2, strict=True))


def _one_of_two(
    axes: Axes,
    pair: tuple[str, str],
    grid: Grid,
    chi2: np.ndarray,
    page: Page,
    name: str,
    first: bool,
) -> list:
    """The regions of one of two runs: outlines of the first, the second filled; returns handles."""
    known = np.isfinite(chi2) & _physical(pair, grid, page.M_X)
    if not known.any():
        return [f"no physical point: {name}"]
    x, y = (grid.named[parameter] for parameter in pair)
    delta = chi2 - chi2[known].min()
    if first:
        return _outlines(axes, x, y, delta, page.levels, name, _BEFORE)
    heights = [delta_chi2_level(level, 2) for level in page.levels]
    percent = [f"{100 * level:g}%" for level in page.levels]
    return _global_regions(axes, x, y, delta.T, GLOBAL, heights, percent, name)


def profile_best(profile: str | Path, page: Page, pdf: str | Path, png: str | Path) -> None:
    """Figure 3, right: best value of the last profiled parameter across the first plane.

    Parameters as for `plane`, with a ``profile.h5``.
    """
    with store.read(profile) as file:
        grid, profiled = grid_of(file), profiled_of(file)
        pair = planes_of(grid)[0]
        others = (*grid.scanned, *profiled)
        name = [name for name in others if name not in pair][-1]
        index = category_names(file).index("global")
        best, chi2 = file[f"{name}_best"][index], file["chi2"][index]
    x, y = (grid.named[name] for name in pair)
    known = np.isfinite(chi2) & _physical(pair, grid, page.M_X)
    with _panel(pdf, png, page.fits.notes_below("regions"), page.about) as (axes, handles):
        if known.any():
            label = f"best-fit {page.about[name].label}"
            handles += _best_map(axes, x, y, best, chi2 - chi2[known].min(), page.levels, label)
        else:
            handles += _regions(axes, x, y, {"global": chi2}, page.levels, known)
        handles += _finish_profile(axes, pair, grid, page)
        _title(axes, page, _profiled(grid, pair, profiled, page.about))


def _best_map(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    best: np.ndarray,
    delta: np.ndarray,
    levels: tuple[float, float],
    label: str,
) -> list:
    """Colours in the 95% region alone: at tiny couplings an angle is anything."""
    heights = [delta_chi2_level(level, 2) for level in levels]
    inside = delta <= heights[1]
    _shade(axes, x, y, np.isfinite(delta))
    low, high = float(best[inside].min()), float(best[inside].max())
    colours = "viridis"
    if low < 0 < high:  # the sign matters: a diverging map, symmetric about zero
        high = max(-low, high)
        low, colours = -high, "RdBu_r"
    if low == high:  # one point on the axis
        low, high = low - 0.01, high + 0.01
    mesh = axes.pcolormesh(
        x, y, best.T, cmap=colours, vmin=low, vmax=high, shading="nearest", rasterized=True
    )
    region = axes.contourf(x, y, delta.T, levels=[_BELOW, heights[1]], colors="none")
    mesh.set_clip_path(region.get_paths()[0], axes.transData)
    axes.figure.colorbar(mesh, ax=axes, label=label, extend="both")
    return [_ALL, _heights(levels), *_outlines(axes, x, y, delta, levels, "global")]


def profiles(
    profile: str | Path,
    page: Page,
    pdf: str | Path,
    png: str | Path,
    names: tuple[str, ...] = (),
) -> None:
    """Profile chi2 of each parameter alone, the others profiled, with its intervals.

    Parameters as for `plane`, with a ``profile.h5``; ``names``: of the parameters (default: all).
    """
    with store.read(profile) as file:
        grid, profiled = grid_of(file), profiled_of(file)
    curves, best = page.fits.profiles or grid_profiles(profile), page.fits.main
    names = names or (*grid.scanned, *profiled)
    number = len(names)
    columns, rows = min(number, 3), -(-number // 3)
    shape: dict[str, Any] = {"rows": rows, "columns": columns, "sharey": True, "squeeze": False}
    shape["size"] = _COLUMN if columns == 1 else _WIDE, 0.2 + 2.1 * rows
    below = page.fits.notes_below("profiles")
    with _drawn(pdf, png, below, page.about, **shape) as (_, panels):
        unphysical: list = []
        star: list = []
        for axes in panels.flat[number:]:
            axes.remove()
        for axes, name in zip(panels.flat, names, strict=False):
            if (curve := curves.get(name)) and curve.chi2.size:
                _profile(axes, curve, page.levels)
            else:
                axes.text(0.5, 0.5, "no valid point", transform=axes.transAxes, ha="center")
            if best:
                star += _star(axes, (best.values[name], 0), name not in best.undetermined)
            axes.set_xlabel(page.about[name].label)
            if name in grid.named:
                axes.set_xlim(grid.named[name][0], grid.named[name][-1])
            if name == "epsilon_hat" and name in grid.named and page.M_X:
                unphysical = _mark_unphysical(axes, grid.named[name], page.M_X)
        panels[0, 0].set_ylim(0, max(12, 1.2 * delta_chi2_level(page.levels[1], 1)))
        for row in panels:
            row[0].set_ylabel(r"profile $\chi^2 - \chi^2_\mathrm{min}$ (global)")
        handles = [*{handle.get_label(): handle for handle in star}.values(), *unphysical]
        if any(curve.chi2.size for curve in curves.values()):
            handles = [
                Line2D([], [], color="0.5", linestyle=s, label=f"{100 * level:g}% CL (1 parameter)")
                for s, level in zip(("solid", "dashed"), page.levels, strict=True)
            ] + handles
        if handles:
            _legend(panels[0, 0], handles)
        _title(panels[0, columns // 2], page)


def _profile(axes: Axes, curve: Curve, levels: tuple[float, float]) -> None:
    """A profile with the intervals of one parameter."""
    axes.plot(curve.values, curve.chi2 - curve.chi2.min(), color=COLOURS["global"])
    for level, style in zip(levels, ("solid", "dashed"), strict=True):
        height = delta_chi2_level(level, 1)
        axes.axhline(height, color="0.6", linewidth=0.7, linestyle=style)
        for interval in intervals(curve.values, curve.chi2, height):
            for end in interval:
                if end is not None:
                    axes.plot([end, end], [0, height], color="0.4", lw=0.8, linestyle=style)


def masses(
    profiles: dict[float, str | Path],
    page: Page,
    pdf: str | Path,
    png: str | Path,
    notes: Iterable[str] = (),
    mark: str = "",
) -> None:
    """Global regions of several masses in hatted variables.

    Relative to the minimum with |epsilon_hat| <= 1 at every mass; where |epsilon| = 1 is marked.

    Parameters
    ----------
    profiles : dict of float to path
        A ``profile.h5`` for each M_X in GeV.
    page : Page
    pdf, png : path
        Files to write.
    notes : iterable of str
        Sentences in small print below; those of the figure follow.
    mark : str
        Digest of the recipe, kept in the PNG.
    """
    said, cut = list(notes), []
    with _panel(pdf, png, said, page.about, mark) as (axes, handles):
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(profiles)))
        for colour, (mass, path) in zip(colours, profiles.items(), strict=True):
            with store.read(path) as file:
                grid = grid_of(file)
                chi2 = file["chi2"][category_names(file).index("global")]
            pair = planes_of(grid)[0]
            x, y = (grid.named[name] for name in pair)
            label = rf"$M_X = {mass / 1000:g}$ TeV"
            known = np.isfinite(chi2) & _physical(pair, grid, M_REFERENCE)
            if not known.any():
                handles.append(f"no valid point at M_X in TeV: {mass / 1000:g}")
                continue
            heights = [delta_chi2_level(level, 2) for level in page.levels]
            look = {"colors": [colour], "linewidths": 1.0, "linestyles": ["solid", "dashed"]}
            delta = chi2 - chi2[known].min()
            _lines(axes, x, y, delta.T, levels=heights, **look)
            mixed = pair[0] == "epsilon_hat"
            open_ended = not mixed or abs(x).max() * mass < M_REFERENCE * (1 - 1e-9)
            edges = [delta[0], delta[-1]] if open_ended else []
            if any(np.nanmin(e, initial=np.inf) <= heights[1] for e in (*edges, delta[:, -1])):
                cut.append(f"{mass / 1000:g}")
            for limit in (-M_REFERENCE / mass, M_REFERENCE / mass) if mixed else ():
                if x[0] < limit < x[-1]:
                    axes.axvline(limit, color=colour, linewidth=0.8, linestyle="dotted")
            handles.append(Line2D([], [], color=colour, label=label))
        if any(line.get_linestyle() == ":" for line in axes.lines):
            style = {"color": "0.5", "linestyle": "dotted", "linewidth": 0.8}
            handles.append(Line2D([], [], label=r"$|\epsilon| = 1$, by colour", **style))
        _label(axes, pair, page.about)
        solid, dashed = (f"{100 * level:g}%" for level in page.levels)
        handles += [_ALL, _heights(page.levels), f"solid: {solid}, dashed: {dashed}"]
        _title(axes, page, _profiled(grid, pair, (), page.about))
        said.append("Regions are relative to the minimum with |epsilon_hat| <= 1.")
        if cut:
            edge = "reach the edge of the box: what lies beyond is not seen."
            said.append(f"Regions of M_X = {', '.join(cut)} TeV {edge}")


_AT_LIMIT = dict(facecolor="none", edgecolor="0.2", hatch="...", linewidth=0)


def _at_limit(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    chi2: np.ndarray,
    reach: np.ndarray,
    levels: tuple[float, float],
) -> list:
    """Hatch where in the 95% region the minimum of the global chi2 has |epsilon| = 1."""
    known = np.isfinite(chi2) & np.isfinite(reach)
    if not known.any() or reach[known].max() < 1:
        return []
    delta = np.where(known, chi2 - chi2[known].min(), np.nan).T
    region = [_BELOW, delta_chi2_level(levels[1], 2)]
    inside = axes.contourf(x, y, delta, levels=region, colors="none").get_paths()[0]
    hatched = axes.contourf(x, y, reach.T, levels=[1, np.inf], colors="none", hatches=["..."])
    hatched.set(edgecolor="0.2", linewidth=0, zorder=5)
    hatched.set_clip_path(inside, axes.transData)
    return [Patch(label=r"minimum at $|\epsilon| = 1$", **_AT_LIMIT)]


def _beyond(axes: Axes, limit: float, end: float) -> list:
    """Hatch the masses at which a fixed epsilon_hat is unphysical."""
    if limit >= end:
        return []
    axes.axvspan(limit, end, zorder=5, **_UNPHYSICAL)
    return [_unphysical_patch()]


def mass_coupling(profile: str | Path, page: Page, pdf: str | Path, png: str | Path) -> None:
    """Regions in the plane of M_X and the coupling g_X without a hat, and where |epsilon| = 1.

    Parameters as for `plane`, with a ``profile.h5`` that has g_hat and M_X among its axes.
    """
    pair = ("g_hat", MASS)
    with store.read(profile) as file:
        grid, profiled = grid_of(file), profiled_of(file)
        plane, names = _plane_in(file, grid, pair), category_names(file)
        chi2 = {n: v.T for n, v in zip(names, plane["chi2"][:], strict=True)}
        epsilon = np.abs(plane["epsilon_hat_best"][names.index("global")].T)
    mass, g_hat = grid.named[MASS], grid.named["g_hat"]
    scale = mass / M_REFERENCE
    x, y = np.broadcast_to(mass / 1000, (g_hat.size, mass.size)), g_hat[:, np.newaxis] * scale
    # on the grid epsilon_hat is at the limit where the next node would be beyond
    reach = (epsilon + grid.steps.get("epsilon_hat", 5e-3)) * scale[:, np.newaxis]
    with _panel(pdf, png, page.fits.notes_below("regions"), page.about) as (axes, handles):
        handles += _regions(axes, x, y, chi2, page.levels)
        if len(grid.named.get("epsilon_hat", ())) == 1:
            handles += _beyond(axes, M_REFERENCE / 1000 / max(abs(grid.axes[0][0]), 1e-9), x.max())
        else:
            handles += _at_limit(axes, x, y, chi2["global"], reach, page.levels)
        if best := page.fits.main:
            at = best.values[MASS]
            place = at / 1000, best.values["g_hat"] * at / M_REFERENCE
            handles += _star(axes, place, best.determines(pair))
        axes.set_xlabel(r"$M_X$ [TeV]")
        axes.set_ylabel(r"$g_X = \hat g_X\, M_X / (3\ \mathrm{TeV})$")
        axes.set_xlim(x.min(), x.max())
        axes.set_ylim(y.min(), y.max())
        _title(axes, page, _profiled(grid, pair, profiled, page.about))


# What is shown of the coefficients of b → s l l, by their names.
_C9 = {
    "C9_bsee": r"$\mathrm{Re}\,C_9^{\,e}$ (new physics, 4.8 GeV)",
    "C9_bsmumu": r"$\mathrm{Re}\,C_9^{\,\mu}$ (new physics, 4.8 GeV)",
    "C9p_bsmumu": r"$\mathrm{Re}\,C_9^{\prime\,\mu}$ (new physics, 4.8 GeV)",
}


def c9_plane(
    planes: str | Path, page: Page, pdf: str | Path, png: str | Path, plane: str = "c9"
) -> None:
    """Regions of a model and of the direct fit in a plane of C9.

    Parameters as for `plane`, with a file of `c9.save`; ``plane``: one of `c9.PLANES`.
    """
    with store.read(planes) as file:
        group = file[plane]
        names = json.loads(group.attrs["categories"])
        x, y = group["x"][:], group["y"][:]
        chi2 = dict(zip(names, group["chi2"][:], strict=True))
        places = dict(zip(names, group["places"][:], strict=True))
        direct = [group[f"direct{part}"][:] for part in ("", "_best")] if "direct" in group else []
        rough = [f"{k} ({v})" for k, v in json.loads(group.attrs["rough"]).items() if v > _ROUGH]
    notes = [*page.fits.notes_below("c9")]
    if rough:
        nodes = f"{', '.join(rough)} nodes of {x.size * y.size}"
        notes.append(f"Lines may be ragged: the lowest chi2 was not found at {nodes}.")
    with _panel(pdf, png, notes, page.about) as (axes, handles):
        if not np.isfinite(chi2["global"]).any():
            text = "no valid point"
            axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", zorder=7)
        elif chi2["global"].ndim == 2:
            handles += _reached_plane(axes, x, y, chi2, places, page.levels)
        else:
            handles += _reached_line(axes, chi2, places, page.levels)
        if direct:
            handles += _direct(axes, x[[0, -1]], y[[0, -1]], page.levels, *direct)
        handles += _fits_of_c9(axes, page.fits, c9.PLANES[plane])
        handles += _finish_c9(axes, c9.PLANES[plane])
        _limit(axes, x, y)
        _title(axes, page)


def _fits_of_c9(axes: Axes, fits: Fits, names: tuple[str, str]) -> list:
    """Stars at the main fit, and at the unmixed one where it is elsewhere."""
    best, unmixed = (
        [fit.C9[name] for name in names] if fit and fit.C9 else []
        for fit in (fits.main, fits.unmixed)
    )
    handles = _star(axes, best) if best else []
    if unmixed and not (best and np.abs(np.subtract(unmixed, best)).max() < 1e-4):
        handles += _star(axes, unmixed, label=_UNMIXED, colour="0.6")
    return handles


def _reached_plane(
    axes: Axes, x: np.ndarray, y: np.ndarray, chi2: dict, places: dict, levels: tuple[float, float]
) -> list:
    """Regions of a model at nodes of a plane, cut where it does not reach."""
    nodes = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    off = np.fmin.reduce([np.hypot(*np.moveaxis(p - nodes, -1, 0)) for p in places.values()])
    off = np.nan_to_num(off / (x[1] - x[0]), nan=1.0)
    before = len(axes.collections)
    # nodes that were left out are far above the minimum
    filled = {n: np.where(np.isfinite(v), v, np.nanmin(v) + 20) for n, v in chi2.items()}
    handles = _allowed(axes, x, y, filled, levels)
    drawn = axes.collections[before:]
    if (off > c9.NEAR).any():
        inside = axes.contourf(x, y, off.T, levels=[-1, c9.NEAR], colors="none")
        for artist in drawn:
            artist.set_clip_path(inside.get_paths()[0], axes.transData)
        heights = {name: delta_chi2_level(levels[name == GLOBAL], 2) for name in filled}
        cut = [v - v.min() <= heights[name] for name, v in filled.items()]
        near = np.logical_or.reduce(cut)  # the edge is drawn where it cuts a region
        look = {"levels": [c9.NEAR], "colors": ["0.5"], "linestyles": "dotted", "zorder": 2}
        _, (seen,) = _lines(axes, x, y, np.where(near, off, np.nan).T, **look)
        if seen:
            look = {"color": "0.5", "linestyle": "dotted"}
            handles.append(
                Line2D([], [], label=r"limit of the parameters, or $|\epsilon| = 1$", **look)
            )
    return handles


def _reached_line(axes: Axes, chi2: dict, places: dict, levels: tuple[float, float]) -> list:
    """Segments of a line to which a model is confined, side by side; or the only point."""
    line = np.concatenate([p[np.isfinite(p).all(axis=1)] for p in places.values()])
    line = line[np.argsort(line @ (line[-1] - line[0]), kind="stable")]
    if len(places["global"]) == 1:
        look: dict[str, Any] = {"marker": "s", "color": COLOURS["global"], "linestyle": "none"}
        axes.plot(*line[0], zorder=3, **look)
        return [Line2D([], [], label="all points of the model", **look)]
    axes.plot(*line.T, color="0.6", linewidth=0.8, zorder=1)
    handles = [Line2D([], [], color="0.6", linewidth=0.8, label="points of the model")]
    along = line[-1] - line[0]
    across = np.array([-along[1], along[0]]) / np.hypot(*along)
    for number, (name, values) in enumerate(chi2.items()):
        known = np.isfinite(values)
        at, curve, place = np.flatnonzero(known), values[known], places[name][known]
        widths = [(levels[0], 5.0, "solid")]
        if name == "global":
            widths.append((levels[1], 1.6, "dashed"))
        shift = 5 * (len(chi2) - 1 - number) * across / 72
        moved = axes.transData + ScaledTranslation(*shift, axes.figure.dpi_scale_trans)
        for level, width, style in widths:
            pieces = intervals(at.astype(float), curve, delta_chi2_level(level, 1))
            look = {"color": COLOURS[name], "linewidth": width, "linestyle": style}
            look |= {"solid_capstyle": "butt", "alpha": 0.75}
            for low, high in pieces:
                ends = [at[0] if low is None else low, at[-1] if high is None else high]
                t = np.unique([*ends, *at[(at > ends[0]) & (at < ends[1])]])
                piece = [np.interp(t, at, column) for column in place.T]
                axes.plot(*piece, transform=moved, zorder=3, **look)
            label = f"{name} {100 * level:g}% (1 parameter)"
            label = f"{label}: no bound" if pieces == [[None, None]] else label
            handles.append(Line2D([], [], label=label, **look))
    return handles


def _finish_c9(axes: Axes, names: tuple[str, str]) -> list:
    """The Standard Model and labels of a plane of coefficients; returns handles."""
    axes.axhline(0, color="0.85", linewidth=0.7, zorder=0)
    axes.axvline(0, color="0.85", linewidth=0.7, zorder=0)
    look = {"marker": "o", "mfc": "white", "color": "black", "linestyle": "none"}
    axes.plot(0, 0, zorder=6, **look)
    axes.set_xlabel(_C9[names[0]])
    axes.set_ylabel(_C9[names[1]])
    axes.set_aspect("equal")
    return [Line2D([], [], label="SM", **look)]


def _direct(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    levels: tuple[float, float],
    chi2: np.ndarray,
    best: np.ndarray,
) -> list:
    """What the data want, whatever the model."""
    x, y = (np.linspace(ends[0], ends[1], n) for ends, n in zip((x, y), chi2.shape, strict=True))
    cross = {"marker": "+", "color": "black", "markersize": 6}
    axes.plot(*best, zorder=5, **cross)
    star = Line2D([], [], linestyle="none", label="best direct fit", **cross)
    return [_DIRECT, *_outlines(axes, x, y, chi2 - chi2.min(), levels, "direct fit"), star]


#: Figures of a scan or profile, by the name of their file: their data, and what draws them.
DRAWN = {
    "fig2": ("scan", plane),
    "fig3_left": ("profile", profile_regions),
    "fig3_right": ("profile", profile_best),
    "profiles": ("profile", profiles),
    "mass_coupling": ("profile", mass_coupling),
    **{name: ("c9", partial(c9_plane, plane=name)) for name in c9.PLANES},
}


def _physical(pair: tuple[str, str], grid: Grid, M_X: float | None) -> np.ndarray:
    """Where a plane (n_x, n_y) has physical points."""
    mesh = dict(zip(pair, np.meshgrid(*(grid.named[n] for n in pair), indexing="ij"), strict=True))
    if "epsilon_hat" not in mesh:
        return np.ones(next(iter(mesh.values())).shape, dtype=bool)
    mass = M_X or grid.named.get(MASS, [None])[0]
    if mass is None:  # profiled: what was found is physical
        return np.ones(next(iter(mesh.values())).shape, dtype=bool)
    return np.asarray(is_physical({MASS: mass, **mesh}))


def _profiled(
    grid: Grid,
    shown: tuple[str, ...],
    profiled: tuple[str, ...],
    about: Mapping[str, Parameter],
) -> str:
    """Which parameters that a plane does not show are profiled."""
    names = [name for name in (*grid.scanned, *profiled) if name not in shown]
    return ", ".join(f"${about[name].symbol}$" for name in names) + " profiled" * bool(names)


def _finish_profile(
    axes: Axes, pair: tuple[str, str], grid: Grid, page: Page, label: str = "best fit"
) -> list:
    """Unphysical points, best fit, labels and limits of a plane; returns handles."""
    x, y = (grid.named[name] for name in pair)
    handles = []
    if pair == ("epsilon_hat", MASS):
        beyond = np.abs(x) * y[:, np.newaxis] - M_REFERENCE
        if beyond.max() > 0:
            style = {"levels": [0, np.inf], "hatches": ["/////"], "colors": "none", "zorder": 5}
            axes.contourf(x, y, beyond, **style)
            handles.append(_unphysical_patch())
    elif pair[0] == "epsilon_hat" and (mass := page.M_X or grid.named.get(MASS, [None])[0]):
        handles += _mark_unphysical(axes, x, mass)
    handles += _star_of(axes, page.fits.main, pair, label=label)
    _label(axes, pair, page.about)
    _limit(axes, x, y)
    return handles


def pulls(rows: list[dict], page: Page, pdf: str | Path, png: str | Path) -> None:
    """Figure 4: pulls of observables of interest, Standard Model against best fit.

    Parameters
    ----------
    rows : list of dict
        Rows of `statistics.pulls`, in the order they are to be shown.
    page : Page
    pdf, png : path
        Files to write.
    """
    with _pull_chart(rows, page, pdf, png, 0.21) as (axes, y):
        _pulls(axes, y, rows)


def compared_pulls(
    runs: Mapping[str, list[dict]], page: Page, pdf: str | Path, png: str | Path
) -> None:
    """Figure 4 of two runs, each with the Standard Model and its own best fit.

    Parameters
    ----------
    runs : mapping of str to list of dict
        By the names of the runs, rows as for `pulls`; the first is drawn in grey above the second.
    page : Page
    pdf, png : path
        Files to write.
    """
    every = {row["observable"]: row for rows in runs.values() for row in rows}
    looks: tuple[dict[str, str], ...] = {"sm": _BEFORE, "fit": _BEFORE}, {}
    with _pull_chart(list(every.values()), page, pdf, png, 0.27) as (axes, y):
        height = dict(zip(every, y, strict=True))
        for (name, rows), shift, look in zip(runs.items(), (0.2, -0.2), looks, strict=True):
            places = np.array([height[row["observable"]] + shift for row in rows])
            _pulls(axes, places, rows, f", {name}", **look)


@contextmanager
def _pull_chart(
    rows: list[dict], page: Page, pdf: str | Path, png: str | Path, height: float
) -> Iterator[tuple[Axes, np.ndarray]]:
    """The axes of a figure of pulls, without them, and where each row is.

    A row has room for fractions in its label.
    """
    size = _WIDE, 0.9 + height * max(len(rows), 4)
    with _drawn(pdf, png, page.fits.notes_below("pulls"), page.about, size=size) as (figure, axes):
        if not rows:
            text = "none of the observables of interest counts in this run"
            axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
        y = np.arange(len(rows))[::-1]
        # bands: bins of one observable belong together
        names = [row["observable"].split()[0] for row in rows]
        starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
        for first, last in list(pairwise([*starts, len(rows)]))[::2]:
            axes.axhspan(y[first] + 0.5, y[last - 1] - 0.5, color="0.955", linewidth=0, zorder=0)
        for sigma in (-2, -1, 0, 1, 2):
            axes.axvline(sigma, color="0.85" if sigma else "0.5", linewidth=0.7, zorder=0)
        axes.set_yticks(y, [row["label"] for row in rows], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.8, len(rows) - 0.2)
        axes.set_xlabel(r"pull $=$ (theory $-$ experiment) / uncertainty")
        _title(axes, page)
        yield axes, y
        figure.legend(
            loc="outside lower right",
            ncols=2,
            title="shading groups bins of one observable;\n"
            r"[bins]: $q^2$ in GeV$^2$; LEP2: $\sqrt{s}$ in GeV, $\cos\theta$",
        )


def atlas_c9(
    places: np.ndarray,
    dchi2: np.ndarray,
    at_limit: np.ndarray,
    known: dict[str, int],
    direct: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    page: Page,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Best fits of many models in the plane of C9 of electrons and muons.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        The coefficients at each best fit.
    dchi2 : ndarray, shape (n,)
        Improvement on the Standard Model: their colours.
    at_limit : ndarray of bool, shape (n,)
        Whether a parameter is at a limit.
    known : dict of str to int
        Rows of models that are marked, by their titles.
    direct : tuple of ndarray, or None
        Corners of the plane (2, 2), chi2 of the direct fit between them and its minimum.
    page : Page
    pdf, png : path
        Files to write.
    """
    size = _COLUMN, 3.2
    with _drawn(pdf, png, page.fits.notes, page.about, size=size) as (figure, axes):
        order = np.argsort(dchi2, kind="stable")  # the best on top
        ends = {"vmin": np.quantile(dchi2, 0.02), "vmax": dchi2.max()} if len(dchi2) else {}
        handles, drawn = [], None
        for beside, marker, label in (
            (False, "o", "best fit of a model"),
            (True, "v", r"the same, at $|\epsilon| = 1$ or another limit"),
        ):
            rows = order[at_limit[order] == beside]
            look: dict[str, Any] = {"marker": marker, "linewidths": 0.2, "edgecolors": "black"}
            drawn = axes.scatter(*places[rows].T, c=dchi2[rows], s=7, zorder=3, **look, **ends)
            look = {"marker": marker, "markersize": 3, "color": "0.5", "linestyle": "none"}
            handles.append(Line2D([], [], label=label, **look))
        if direct:
            corners, chi2, best = direct
            handles += _direct(axes, corners[:, 0], corners[:, 1], page.levels, chi2, best)
            axes.set(xlim=corners[:, 0], ylim=corners[:, 1])
        for (title, row), marker in zip(known.items(), "sD", strict=False):
            look = {"marker": marker, "markersize": 6, "mfc": "none", "color": "#D55E00"}
            axes.plot(*places[row], linestyle="none", zorder=6, mew=1.1, **look)
            handles.append(Line2D([], [], label=title, linestyle="none", mew=1.1, **look))
        handles += _finish_c9(axes, c9.PLANES["c9"])
        if len(dchi2):
            figure.colorbar(drawn, ax=axes, label=_IMPROVED, shrink=0.8)
        _title(axes, page)
        _legend(axes, handles)


_IMPROVED = r"$\chi^2_\mathrm{SM} - \chi^2_\mathrm{min}$"


def atlas_dchi2(
    dchi2: dict[str, np.ndarray],
    known: dict[str, float],
    chance: dict | None,
    page: Page,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """How many models improve on the Standard Model by how much.

    Parameters
    ----------
    dchi2 : dict of str to ndarray, shape (n,)
        By what is fitted.
    known : dict of str to float
        That of models that are marked, by their titles.
    chance : dict, optional
        From `toys.summary`, and the number of ``models``: what the best of them improves by chance.
    page : Page
    pdf, png : path
        Files to write.
    """
    with _panel(pdf, png, page.fits.notes, page.about) as (axes, handles):
        top = max((values.max() for values in dchi2.values() if len(values)), default=1.0)
        bins = np.linspace(0, max(top, 1e-3), 41)
        for (name, values), colour in zip(dchi2.items(), ("#0072B2", "#D55E00"), strict=False):
            look = {"color": colour, "alpha": 0.6}
            axes.hist(np.maximum(values, 0), bins=bins, **look)
            handles.append(Patch(label=name, **look))
        for (title, x), style in zip(known.items(), ("dashed", "dotted"), strict=False):
            axes.axvline(x, color="black", linestyle=style, linewidth=1)
            handles.append(Line2D([], [], color="black", linestyle=style, label=title))
        if chance:
            look = {"color": "0.75", "zorder": 0}
            axes.axvspan(*np.quantile(chance["best"], [0.025, 0.975]), **look)
            label = f"best of {chance['models']} models, in 95% of SM pseudo-data"
            handles.append(Patch(label=label, **look))
        axes.set_xlabel(_IMPROVED)
        axes.set_ylabel("models")
        _title(axes, page)


def _pulls(
    axes: Axes,
    y: np.ndarray,
    rows: list[dict],
    label: str = "",
    sm: str = "black",
    fit: str = COLOURS[GLOBAL],
) -> None:
    """Pulls in the Standard Model and, where there is one, at the best fit, in their colours."""
    before = np.array([row["pull_sm"] for row in rows])
    look: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 4}
    axes.plot(before, y, mfc="white", color=sm, label=f"SM{label}", zorder=2, **look)
    if all(row["pull"] != "" for row in rows):
        after = np.array([row["pull"] for row in rows])
        axes.hlines(y, before, after, color="0.75", linewidth=1.5, zorder=1)
        axes.plot(after, y, color=fit, label=f"best fit{label}", zorder=3, **look)


def validation(
    distance: np.ndarray,
    errors: dict[str, np.ndarray],
    bounds: dict[str, tuple[float, float]],
    title: str,
    pdf: str | Path,
    png: str | Path,
    notes: Iterable[str] = (),
) -> None:
    """Error of the compiled chi2 against the distance from the best fit.

    Parameters
    ----------
    distance : ndarray, shape (n,)
        Exact global chi2 minus that of the best fit.
    errors : dict of str to ndarray, shape (n,)
        |compiled - exact| by category.
    bounds : dict of str to (float, float)
        Accepted errors out to a distance of 100 and of 400.
    title : str
        Name of the model.
    pdf, png : path
        Files to write.
    notes : iterable of str
        Sentences in small print below.
    """
    with _drawn(pdf, png, notes) as (_, axes):
        dashes: dict[tuple, int] = {}
        for name, values in errors.items():
            axes.plot(
                np.maximum(distance, 1e-1),
                np.maximum(values, 1e-10),
                "o",
                markersize=3,
                color=COLOURS[name],
                label=name,
            )
            near, far = bounds[name]
            before = dashes[near, far] = dashes.get((near, far), -1) + 1
            style = dict(color=COLOURS[name], lw=0.8, ls=(4 * before, (4, 4)))  # both of two equal
            axes.plot([1e-1, 100, 100, 400], [near, near, far, far], **style)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel(r"exact $\chi^2 - \chi^2_\mathrm{min}$ (smaller values at the edges)")
        axes.set_ylabel(r"$|\chi^2_\mathrm{compiled} - \chi^2_\mathrm{exact}|$")
        axes.set_title(f"{title}: exact points of the run (dashed: bounds)")
        _legend(axes, axes.get_legend_handles_labels()[0])
