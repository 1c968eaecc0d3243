"""Figures of publication quality from stored scans and profiles; one style for all of them.

No statistics here beyond drawing the level of a contour.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from malaphoric import store
from malaphoric.grid import AXES
from malaphoric.smeft import M_REFERENCE
from malaphoric.statistics import category_names, delta_chi2_level, intervals

#: Okabe-Ito colours, distinguishable for all kinds of colour vision.
COLOURS = {
    "quarks": "#0072B2",
    "EWPOs": "#009E73",
    "LEP2": "#CC79A7",
    "LFU": "#E69F00",
    "global": "#D55E00",
}

LABELS = {
    "epsilon_hat": r"$\hat\epsilon$",
    "g_hat": r"$\hat g_X$",
    "theta_sb": r"$\theta_{sb}$ [rad]",
}

_STYLE = {
    "font.family": "serif",
    "font.serif": ["STIX Two Text", "STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 10,
    "axes.labelsize": 12,
    "axes.titlesize": 10,
    "legend.fontsize": 8,
    "legend.framealpha": 0.9,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "pdf.fonttype": 42,  # embedded TrueType, editable and searchable
    "savefig.dpi": 300,
}

_COMPUTED = "#F4F4F4"  # where theory exists; white is where the CKM extraction fails


_note = ""


@contextlib.contextmanager
def noted(text: str) -> Iterator[None]:
    """Print a sentence above every figure that is saved meanwhile."""
    global _note
    before, _note = _note, text
    try:
        yield
    finally:
        _note = before


def _new_figure() -> tuple[Figure, Axes]:
    return plt.subplots(figsize=(4.8, 4.6), layout="constrained")


def _save(figure: Figure, pdf: str | Path, png: str | Path) -> None:
    """Write PDF and PNG whole and without time stamps."""
    if _note:
        figure.suptitle(_note, fontsize=7, color="0.35", style="italic")
    for path, form in ((pdf, "pdf"), (png, "png")):
        metadata = {"CreationDate": None} if form == "pdf" else {"Software": None}
        with store.whole(path) as temporary:
            figure.savefig(temporary, format=form, metadata=metadata)
    plt.close(figure)


def _regions(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    chi2: dict[str, np.ndarray],
    levels: tuple[float, float],
) -> list:
    """Fill the 68% region of each category and the 68/95% regions of the global fit.

    Parameters
    ----------
    axes : matplotlib Axes
    x, y : ndarray, shapes (nx,), (ny,)
    chi2 : dict of str to ndarray, shape (nx, ny)
        Relative to the minimum of each category in the plane shown.
    levels : tuple of float
        The two confidence levels.

    Returns
    -------
    list
        Handles of the legend.
    """
    heights = [delta_chi2_level(level, 2) for level in levels]
    percent = [f"{100 * level:g}%" for level in levels]
    computed = np.where(np.isfinite(chi2["global"]), 1.0, np.nan)
    axes.contourf(x, y, computed.T, levels=[0.5, 1.5], colors=[_COMPUTED], zorder=0)
    handles = []
    for name, values in chi2.items():
        colour = COLOURS[name]
        delta = (values - np.nanmin(values)).T
        height = heights[0]
        if name == "global":
            axes.contourf(x, y, delta, levels=[0, height], colors=[colour], alpha=0.75, zorder=3)
            axes.contour(
                x,
                y,
                delta,
                levels=heights,
                colors=[colour],
                linewidths=[1.2, 1.2],
                zorder=4,
                linestyles=["solid", "dashed"],
            )
            handles += [
                Patch(facecolor=colour, alpha=0.75, label=f"global {percent[0]}"),
                Line2D([], [], color=colour, linestyle="dashed", label=f"global {percent[1]}"),
            ]
        elif np.nanmax(delta) <= height:
            handles.append(Line2D([], [], linestyle="none", label=f"{name}: no bound"))
        elif np.mean(delta[np.isfinite(delta)] <= height) < 0.5:
            axes.contourf(x, y, delta, levels=[0, height], colors=[colour], alpha=0.3, zorder=2)
            axes.contour(x, y, delta, levels=[height], colors=[colour], linewidths=0.9, zorder=2)
            handles.append(
                Patch(facecolor=colour, alpha=0.4, edgecolor=colour, label=f"{name} {percent[0]}")
            )
        else:  # most of the plane is allowed: a border with ticks keeps the plane readable
            border = axes.contour(
                x, y, delta, levels=[height], colors=[colour], linewidths=1.0, zorder=2
            )
            ticks = patheffects.withTickedStroke(angle=-90, spacing=6, length=0.5)
            border.set(path_effects=[ticks])
            handles.append(
                Line2D([], [], color=colour, label=f"{name} {percent[0]} (ticks: allowed)")
            )
    if np.isnan(chi2["global"]).any():
        handles.append(Patch(facecolor="white", edgecolor="0.6", label="CKM extraction fails"))
    return handles


def _star(axes: Axes, x: float, y: float, label: str) -> Line2D:
    style = dict(marker="*", markersize=9, color="black", linestyle="none", label=label)
    axes.plot([x], [y], zorder=6, **style)
    return Line2D([], [], **style)


def _title(axes: Axes, title: str, M_X: float) -> None:
    axes.set_title(rf"{title}, $M_X = {M_X / 1000:g}$ TeV")


def _limit(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Show what was scanned and nothing else; a best fit outside is not drawn."""
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])


def _legend(axes: Axes, handles: list) -> None:
    # outside: whatever the model, no region is hidden
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=3)


def plane(
    scan: str | Path,
    title: str,
    M_X: float,
    levels: tuple[float, float],
    best: dict | None,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Figure 2: regions of the unmixed model in the plane of g_hat and theta_sb.

    Parameters
    ----------
    scan : path
        A ``scan.h5`` whose grid contains epsilon_hat = 0.
    title : str
        Name of the model.
    M_X : float
        In GeV.
    levels : tuple of float
        Two confidence levels, for two parameters.
    best : dict or None
        Best-fit point with ``g_hat`` and ``theta_sb``.
    pdf, png : path
        Files to write.
    """
    with store.read(scan) as file:
        axis = {name: file[name][:] for name in AXES}
        index = int(np.flatnonzero(axis["epsilon_hat"] == 0)[0])
        values = dict(zip(category_names(file), file["chi2"][:, index], strict=True))
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure()
        handles = _regions(axes, axis["g_hat"], axis["theta_sb"], values, levels)
        if best:
            handles.append(_star(axes, best["g_hat"], best["theta_sb"], "best fit"))
        axes.set_xlabel(LABELS["g_hat"])
        axes.set_ylabel(LABELS["theta_sb"])
        _limit(axes, axis["g_hat"], axis["theta_sb"])
        _title(axes, rf"{title}, $\hat\epsilon = 0$", M_X)
        _legend(axes, handles)
        _save(figure, pdf, png)


def _mark_unphysical(axes: Axes, epsilon_hat: np.ndarray, M_X: float) -> list:
    """Hatch |epsilon| > 1, where a kinetic term has the wrong sign (below eq. (2.1))."""
    limit = M_REFERENCE / M_X
    style = dict(facecolor="none", edgecolor="0.45", hatch="////", linewidth=0)
    shown = False
    for low, high in ((epsilon_hat[0], -limit), (limit, epsilon_hat[-1])):
        if low < high:
            axes.axvspan(low, high, zorder=5, **style)
            axes.axvline(high if high < 0 else low, color="0.45", linewidth=0.8, zorder=5)
            shown = True
    return [Patch(label=r"unphysical, $|\epsilon| > 1$", **style)] if shown else []


def profile_regions(
    profile: str | Path,
    title: str,
    M_X: float,
    levels: tuple[float, float],
    best: dict | None,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Figure 3, left: regions in the plane of epsilon_hat and g_hat, theta_sb profiled.

    Parameters as for `plane`, with a ``profile.h5``.
    """
    with store.read(profile) as file:
        x, y = file["epsilon_hat"][:], file["g_hat"][:]
        values = dict(zip(category_names(file), file["chi2"][:], strict=True))
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure()
        handles = _regions(axes, x, y, values, levels)
        handles += _finish_profile(axes, x, M_X, best)
        _limit(axes, x, y)
        _title(axes, rf"{title}, $\theta_{{sb}}$ profiled", M_X)
        _legend(axes, handles)
        _save(figure, pdf, png)


def profile_theta(
    profile: str | Path,
    title: str,
    M_X: float,
    levels: tuple[float, float],
    best: dict | None,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Figure 3, right: best-fit theta_sb across the plane of epsilon_hat and g_hat.

    Parameters as for `plane`, with a ``profile.h5``.
    """
    with store.read(profile) as file:
        x, y = file["epsilon_hat"][:], file["g_hat"][:]
        index = category_names(file).index("global")
        theta, chi2 = file["theta_sb_best"][index], file["chi2"][index]
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure()
        # colours for the 95% region, pale elsewhere: at tiny couplings theta_sb is anything
        inside = chi2 - np.nanmin(chi2) <= delta_chi2_level(levels[1], 2)
        shown = theta[inside]
        low, high = float(shown.min()), float(shown.max())
        colours = "viridis"
        if low < 0 < high:  # the sign matters: a diverging map, symmetric about zero
            high = max(-low, high)
            low, colours = -high, "RdBu_r"
        mesh = axes.pcolormesh(
            x, y, theta.T, cmap=colours, vmin=low, vmax=high, shading="nearest", rasterized=True
        )
        veil = np.where(inside, np.nan, 1.0)
        axes.contourf(x, y, np.nan_to_num(veil).T, levels=[0.5, 1.5], colors=["white"], alpha=0.6)
        figure.colorbar(mesh, ax=axes, label=r"best-fit $\theta_{sb}$ [rad]", extend="both")
        heights = [delta_chi2_level(level, 2) for level in levels]
        axes.contour(
            x,
            y,
            (chi2 - np.nanmin(chi2)).T,
            levels=heights,
            colors="black",
            linewidths=1.0,
            linestyles=["solid", "dashed"],
        )
        styles = zip(("solid", "dashed"), levels, strict=True)
        handles = [
            Line2D([], [], color="black", linestyle=s, label=f"global {100 * level:g}%")
            for s, level in styles
        ]
        handles += _finish_profile(axes, x, M_X, best)
        _limit(axes, x, y)
        _title(axes, title, M_X)
        _legend(axes, handles)
        _save(figure, pdf, png)


def profiles(
    profile: str | Path,
    title: str,
    M_X: float,
    levels: tuple[float, float],
    best: dict | None,
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Profile chi2 of each parameter alone, the two others profiled, with its intervals.

    Parameters as for `plane`, with a ``profile.h5``.
    """
    with store.read(profile) as file:
        index = category_names(file).index("global")
        curves = {name: (file[name][:], file[f"chi2_{name}"][index]) for name in AXES}
    with plt.rc_context(_STYLE):
        figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.8), sharey=True, layout="constrained")
        for axes, (name, (x, chi2)) in zip(panels, curves.items(), strict=True):
            axes.plot(x, chi2 - np.nanmin(chi2), color=COLOURS["global"])
            for level, style in zip(levels, ("solid", "dashed"), strict=True):
                height = delta_chi2_level(level, 1)
                axes.axhline(height, color="0.6", linewidth=0.7, linestyle=style)
                for interval in intervals(x, chi2, height):
                    for end in interval:
                        if end is not None:
                            axes.plot([end, end], [0, height], color="0.4", lw=0.8, linestyle=style)
            if best:
                axes.plot([best[name]], [0], "k*", clip_on=False, zorder=6)
            axes.set_xlabel(LABELS[name])
            axes.set_xlim(x[0], x[-1])
        unphysical = _mark_unphysical(panels[0], curves["epsilon_hat"][0], M_X)
        panels[0].set_ylim(0, 12)
        panels[0].set_ylabel(r"profile $\chi^2 - \chi^2_\mathrm{min}$ (global)")
        handles = [
            Line2D([], [], color="0.5", linestyle=s, label=f"{100 * level:g}% (1 parameter)")
            for s, level in zip(("solid", "dashed"), levels, strict=True)
        ]
        handles += unphysical
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        _title(panels[1], title, M_X)
        _save(figure, pdf, png)


def masses(
    profiles: dict[float, str | Path],
    title: str,
    levels: tuple[float, float],
    pdf: str | Path,
    png: str | Path,
) -> None:
    """Global regions of several masses in hatted variables, theta_sb profiled.

    Parameters
    ----------
    profiles : dict of float to path
        A ``profile.h5`` for each M_X in GeV.
    title : str
        Name of the model.
    levels : tuple of float
        Two confidence levels, for two parameters.
    pdf, png : path
        Files to write.
    """
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure()
        handles = []
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(profiles)))
        for colour, (mass, path) in zip(colours, profiles.items(), strict=True):
            with store.read(path) as file:
                x, y = file["epsilon_hat"][:], file["g_hat"][:]
                chi2 = file["chi2"][category_names(file).index("global")]
            heights = [delta_chi2_level(level, 2) for level in levels]
            axes.contour(
                x,
                y,
                (chi2 - np.nanmin(chi2)).T,
                levels=heights,
                colors=[colour],
                linewidths=1.0,
                linestyles=["solid", "dashed"],
            )
            label = rf"$M_X = {mass / 1000:g}$ TeV"
            handles.append(Line2D([], [], color=colour, label=label))
        axes.set_xlabel(LABELS["epsilon_hat"])
        axes.set_ylabel(LABELS["g_hat"])
        percent = " and ".join(f"{100 * level:g}%" for level in levels)
        axes.set_title(rf"{title}, global {percent} (solid, dashed), $\theta_{{sb}}$ profiled")
        _legend(axes, handles)
        _save(figure, pdf, png)


def _finish_profile(axes: Axes, epsilon_hat: np.ndarray, M_X: float, best: dict | None) -> list:
    handles = _mark_unphysical(axes, epsilon_hat, M_X)
    if best:
        handles.append(_star(axes, best["epsilon_hat"], best["g_hat"], "best fit"))
    axes.set_xlabel(LABELS["epsilon_hat"])
    axes.set_ylabel(LABELS["g_hat"])
    return handles


def pulls(rows: list[dict], title: str, M_X: float, pdf: str | Path, png: str | Path) -> None:
    """Figure 4: pulls of observables of interest, Standard Model against best fit.

    Parameters
    ----------
    rows : list of dict
        Rows of `statistics.pulls`, in the order they are to be shown.
    title : str
        Name of the model.
    M_X : float
        In GeV.
    pdf, png : path
        Files to write.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(6.2, 0.9 + 0.2 * len(rows)), layout="constrained")
        y = np.arange(len(rows))[::-1]
        # bands: bins of one observable belong together
        names = [row["observable"].split()[0] for row in rows]
        starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
        for first, last in list(zip(starts, [*starts[1:], len(rows)], strict=True))[::2]:
            axes.axhspan(y[first] + 0.5, y[last - 1] - 0.5, color="0.955", linewidth=0, zorder=0)
        before = np.array([row["pull_sm"] for row in rows])
        after = np.array([row["pull"] for row in rows])
        axes.hlines(y, before, after, color="0.75", linewidth=1.5, zorder=1)
        axes.plot(before, y, "o", markersize=4.5, mfc="white", color="black", label="SM", zorder=2)
        axes.plot(
            after, y, "o", markersize=4.5, color=COLOURS["global"], label="best fit", zorder=3
        )
        for sigma in (-2, -1, 0, 1, 2):
            axes.axvline(sigma, color="0.85" if sigma else "0.5", linewidth=0.7, zorder=0)
        axes.set_yticks(y, [row["label"] for row in rows], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.8, len(rows) - 0.2)
        axes.set_xlabel(r"pull $=$ (theory $-$ experiment) / uncertainty")
        _title(axes, title, M_X)
        figure.legend(
            loc="outside lower right",
            ncols=2,
            title=r"[bins]: $q^2$ in GeV$^2$; LEP2: $\sqrt{s}$ in GeV, $\cos\theta$",
            title_fontsize=8,
        )
        _save(figure, pdf, png)


def validation(
    distance: np.ndarray,
    errors: dict[str, np.ndarray],
    bounds: dict[str, tuple[float, float]],
    title: str,
    pdf: str | Path,
    png: str | Path,
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
    """
    with plt.rc_context(_STYLE):
        figure, axes = _new_figure()
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
            axes.plot([1e-1, 100, 100, 400], [near, near, far, far], color=COLOURS[name], lw=0.8)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel(r"exact $\chi^2 - \chi^2_\mathrm{min}$ (smaller values at the edges)")
        axes.set_ylabel(r"$|\chi^2_\mathrm{compiled} - \chi^2_\mathrm{exact}|$")
        axes.set_title(f"{title}: exact points of the run (lines: bounds)")
        axes.legend(loc="best")
        _save(figure, pdf, png)
