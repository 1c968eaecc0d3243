"""A run as one page that needs no server and no network: figures, tables, explorer, record.

What it says is in the files of the run, which are read here; the numbers of the explorer come from
`explorer`, what pages are made of from `elements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from malaphoric.data.categories import COLOURS, GLOBAL
from malaphoric.inference.c9 import PLANES
from malaphoric.inference.results import Fit, Fits
from malaphoric.inference.statistics import delta_chi2_level
from malaphoric.physics.parameters import MASS, Parameter
from malaphoric.report import elements
from malaphoric.report.elements import html, intervals, short, table, valued


@dataclass(frozen=True)
class Files:
    """The files of a run that its page shows.

    Attributes
    ----------
    figures : dict of str to path
        PNG by name, with ``validation`` where there is one.
    pulls : path
        ``pulls.csv``.
    tables : dict of str to path
        Other CSV by title, in their order.
    texts : list of path
        Markdown as `tables.markdown` writes it.
    """

    figures: dict[str, str]
    pulls: str
    tables: dict[str, str]
    texts: list[str]


def make(
    fits: Fits,
    record: dict,
    files: Files,
    title: str,
    levels: tuple[float, float],
    about: Mapping[str, Parameter],
    captions: Mapping[str, str],
    explored: tuple[dict, bytes],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    fits : Fits
    record : dict
        The run's ``record.json``.
    files : Files
    title : str
        Name of the model, with LaTeX between dollar signs.
    levels : tuple of float
        Two confidence levels.
    about : mapping
        What is known of the parameters, see `Model.records`.
    captions : mapping
        Of each figure, in words that hold for every run.
    explored : (dict, bytes)
        From `explorer.make`.

    Returns
    -------
    str
        The same for the same files, but for the version of the compression.
    """
    axes = explored[0]["axes"]
    said = _Said(fits, record, levels, about, axes)
    description, content = explored
    description = description | {
        "levels": [
            {"level": x, "heights": [delta_chi2_level(x, n) for n in (1, 2)]} for x in levels
        ],
        "parameters": {
            name: {"label": html(f"${record.symbol}$"), "unit": record.unit}
            for name, record in about.items()
        },
        "colours": COLOURS,
        "fits": {
            name: {"values": fit.values, "chi2": fit.chi2[GLOBAL], "main": fit is fits.main}
            for name, fit in fits.found.items()
        },
        "chi2_sm": fits.SM.chi2,
        "curves": {name: curve.as_dict() for name, curve in fits.profiles.items()},
    }
    best_fits = [said.fits_table(), "<h3>To mind</h3>", _list(list(fits.notes) or ["None."])]
    best_fits += ["<h3>Intervals</h3>", said.intervals_table()]
    symbols = {name: said.symbol(name) for name in about}
    figures = (
        elements.figure(name, path, captions[name], said.numbers(name), symbols)
        for name, path in files.figures.items()
    )
    tables = [elements.csv_table("Pulls", files.pulls, _PULLS)]
    tables += [elements.csv_table(heading, path) for heading, path in files.tables.items()]
    compared = "\n".join(map(elements.markdown, files.texts))
    sections = {
        "Best fits": "\n".join(best_fits),
        "Explorer": elements.template("explorer.html"),
        "Figures": "\n".join(figures),
        "Tables": "\n".join(tables),
        **({"Comparison": compared} if compared else {}),
        "Record": elements.record(record),
    }
    run = record["configuration"]["run"]
    about_it = (title, run, said.summary, sections, description)
    return elements.document(*about_it, "explorer.js", content)


def _list(items: list[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escape(item)}</li>" for item in items)}</ul>'


class _Said:
    """Sentences and tables with the numbers of a run."""

    def __init__(
        self,
        fits: Fits,
        record: dict,
        levels: tuple[float, float],
        about: Mapping[str, Parameter],
        axes: dict[str, list[float]],
    ) -> None:
        self.fits, self.record, self.levels, self.about = fits, record, levels, about
        self.scanned = {name: axis for name, axis in axes.items() if len(axis) > 1}

    def symbol(self, name: str) -> str:
        """A parameter in HTML."""
        return html(f"${self.about[name].symbol}$")

    @property
    def _mass(self) -> str:
        given = self.record["configuration"]["parameters"].get(MASS)
        return f"M<sub>X</sub> = {given / 1000:g} TeV" if isinstance(given, (int, float)) else ""

    @property
    def summary(self) -> str:
        """What the run is, in a sentence or two."""
        grid = " × ".join(f"{len(axis)} {self.symbol(n)}" for n, axis in self.scanned.items())
        number = int(np.prod([len(axis) for axis in self.scanned.values()]))
        parts = [f"{number:,} points ({grid})".replace(",", "\u202f"), self._mass]
        parts.append(f"{self.record['data']['n_obs'][GLOBAL]} observations")
        return ", ".join(filter(None, parts)) + f"; {escape(self.record['check'])}."

    def place(self, fit: Fit) -> str:
        """Where a best fit is, with errors."""
        return ", ".join(
            f"{self.symbol(name)} = {valued(value, fit.errors.get(name))}"
            for name, value in fit.values.items()
        )

    def numbers(self, figure: str) -> str:
        """What follows the caption of a figure: this run's numbers."""
        percent = " and ".join(f"{100 * x:g}%" for x in self.levels)
        words = [f"This run: {', '.join(filter(None, [self._mass, f'{percent} CL']))}."]
        fit, name = self.fits.main, "Best fit"
        if figure == "fig2":
            fit, name = self.fits.unmixed, "Best fit without mixing"
        if figure == "validation":
            return escape(self.record["check"].capitalize()) + "."
        if fit is None:
            return " ".join([*words, "There is no best fit."])
        if figure.startswith("c9") and fit.C9:
            pairs = zip(PLANES[figure], ("horizontally", "vertically"), strict=True)
            at = ", ".join(f"{short(fit.C9[c], 3)} {way}" for c, way in pairs)
            return " ".join([*words, f"{name}: {at}."])
        if figure.startswith("profiles"):
            shown = [figure.partition("/")[2]] if "/" in figure else list(self.fits.intervals)
            level = f"{self.levels[1]:g}"
            for parameter in shown:
                pieces = intervals(self.fits.intervals.get(parameter, {}).get(level, []))
                words.append(f"{self.symbol(parameter)}: {pieces} at {100 * self.levels[1]:g}% CL.")
            return " ".join(words)
        words.append(f"{name}: {self.place(fit)}; χ² = {fit.chi2[GLOBAL]:.2f},")
        return " ".join([*words, f"{fit.dchi2[GLOBAL]:.2f} below the Standard Model."])

    def fits_table(self) -> str:
        """Best fits, one a row."""
        names = list(self.fits.main.values if self.fits.main else {})
        names = names or list(dict.fromkeys(n for f in self.fits.found.values() for n in f.values))
        every = {"Standard Model": self.fits.SM, **self.fits.found}
        nested = list(dict.fromkeys(n for f in every.values() for n in f.p_value_over))
        head = ["fit", *map(self.symbol, names), "χ²", "Δχ²", "degrees of freedom", "p\u2011value"]
        head += [f"p over {'the SM' if n == 'SM' else escape(n)}" for n in nested]
        rows = []
        for name, fit in every.items():
            row = [escape(name)]
            for parameter in names:
                value = fit.values.get(parameter)
                row.append(valued(value, fit.errors.get(parameter)))
            row += [f"{fit.chi2[GLOBAL]:.2f}", f"{fit.dchi2[GLOBAL]:.2f}", short(fit.dof)]
            row += [short(fit.p_value, 2), *(short(fit.p_value_over.get(n), 2) for n in nested)]
            rows.append(row)
        return table("best fits", head, rows, "Δχ² = χ²<sub>SM</sub> − χ²; higher is better.")

    def intervals_table(self) -> str:
        """Intervals of each parameter alone."""
        head = ["parameter", *(f"{100 * x:g}% CL" for x in self.levels)]
        rows = []
        for name, of_levels in self.fits.intervals.items():
            unit = self.about[name].unit
            row = [self.symbol(name) + f" [{unit}]" * bool(unit)]
            row += [intervals(of_levels.get(f"{level:g}", [])) for level in self.levels]
            rows.append(row)
        note = "All other parameters profiled; an open end is at the edge of the box or at |ε| = 1."
        return table("intervals", head, rows, note) if rows else "<p>There are none.</p>"


#: Columns of pulls.csv that are shown.
_PULLS = {
    "observable": "observable", "category": "category", "pull": "pull", "pull_sm": "pull in the SM",
    "change": "change of |pull|", "prediction": "prediction", "prediction_sm": "SM",
    "experiment": "experiment", "uncertainty": "uncertainty",
    "uncertainty_theory": "of this, theory",
}  # fmt: skip
