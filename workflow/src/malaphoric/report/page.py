"""A run as one page that needs no server and no network: figures, tables, explorer, record.

What it says is in the files of the run, which are read here; the numbers of the explorer come from
`explorer`, its looks and what runs in the browser from ``templates``.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import yaml
from plotly.offline import get_plotlyjs

from malaphoric import store
from malaphoric.data.categories import COLOURS, GLOBAL
from malaphoric.inference.c9 import PLANES
from malaphoric.inference.results import Fit, Fits
from malaphoric.inference.statistics import delta_chi2_level
from malaphoric.physics.parameters import MASS, Parameter
from malaphoric.report.figures import DOTS
from malaphoric.report.summary import ranges, with_error

# Rows above which a table can be searched.
_LONG = 15

# Pixels of an inch of a figure: a column's width leaves room for a caption beside it.
_SHOWN = 160


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
    return Template(_template("page.html")).substitute(
        style=_template("page.css"),
        page=_template("page.js"),
        explorer=_template("explorer.js"),
        plotly=_packed(get_plotlyjs().encode()),
        content=_packed(content),
        description=_json(description),
        title=html(title),
        plain_title=escape(_without_tags(html(title))),
        run=escape(record["configuration"]["run"]),
        summary=said.summary,
        fits=said.fits_table(),
        notes="".join(f"<li>{escape(note)}</li>" for note in fits.notes) or "<li>None.</li>",
        intervals=said.intervals_table(),
        figures="\n".join(_figure(n, p, captions[n], said) for n, p in files.figures.items()),
        tables="\n".join(
            [_csv("Pulls", files.pulls, _PULLS)]
            + [_csv(heading, path) for heading, path in files.tables.items()]
        ),
        texts="\n".join(map(_markdown, files.texts))
        or "<p>A run of another model or other fits than the paper's is not compared with it.</p>",
        record=_record(record),
    )


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


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
            f"{self.symbol(name)} = {_with_error(value, fit.errors.get(name))}"
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
                pieces = _ranges(self.fits.intervals.get(parameter, {}).get(level, []))
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
                row.append(_with_error(value, fit.errors.get(parameter)))
            row += [f"{fit.chi2[GLOBAL]:.2f}", f"{fit.dchi2[GLOBAL]:.2f}", short(fit.dof)]
            row += [short(fit.p_value, 2), *(short(fit.p_value_over.get(n), 2) for n in nested)]
            rows.append(row)
        return _table("best fits", head, rows, "Δχ² = χ²<sub>SM</sub> − χ²; higher is better.")

    def intervals_table(self) -> str:
        """Intervals of each parameter alone."""
        head = ["parameter", *(f"{100 * x:g}% CL" for x in self.levels)]
        rows = []
        for name, of_levels in self.fits.intervals.items():
            unit = self.about[name].unit
            row = [self.symbol(name) + f" [{unit}]" * bool(unit)]
            row += [_ranges(of_levels.get(f"{level:g}", [])) for level in self.levels]
            rows.append(row)
        note = "All other parameters profiled; an open end is at the edge of the box or beyond."
        return _table("intervals", head, rows, note) if rows else "<p>There are none.</p>"


def short(value: Any, digits: int = 4) -> str:
    """A number of a table; empty for what there is none of."""
    if value is None or value == "" or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, float):
        text = f"{value:.{digits}g}"
        mantissa, _, power = text.partition("e")
        text = f"{mantissa} · 10<sup>{int(power)}</sup>" if power else text
        return text.replace("-", "−")
    return str(value)


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return ""
    return f'<span class="value">{with_error(value, error).replace("-", "−")}</span>'


def _ranges(pieces: Iterable[Iterable[float | None]]) -> str:
    return ranges(pieces).replace("-", "−")


_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω",
}  # fmt: skip


def html(text: str) -> str:
    """Text with LaTeX between dollar signs in HTML: Greek, hats, indices; what else stays."""
    parts = text.split("$")
    return "".join(_formula(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def _formula(text: str) -> str:
    text = escape(text.replace("-", "−"))
    text = re.sub(r"\\(?:mathrm|text|mathit|mathbf)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\[,;:! ]", " ", text)
    for name, letter in _LETTERS.items():
        text = re.sub(rf"\\{name}(?![a-zA-Z])", letter, text)
    text = re.sub(r"\\hat\s*\{?(\w)\}?", "\\1\u0302", text)
    text = re.sub(r"\\(?:tilde|bar)\s*\{?(\w)\}?", "\\1\u0304", text)
    text = re.sub(r"_(?:\{([^{}]*)\}|(\w))", r"<sub>\1\2</sub>", text)
    text = re.sub(r"\^(?:\{([^{}]*)\}|(\w))", r"<sup>\1\2</sup>", text)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", text))


def _without_tags(text: str) -> str:
    return re.sub(r"<[^>]*>", "", text)


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _json(data: object) -> str:
    """JSON that ends no script, in the order given."""
    strict = json.loads(store.strict_json(data))
    return json.dumps(strict, separators=(",", ":")).replace("<", "\\u003c")


def _figure(name: str, path: str, caption: str, said: _Said) -> str:
    caption = " ".join(caption.split()).replace("chi2", "χ²").replace("->", "→")
    png = Path(path).read_bytes()
    width = int.from_bytes(png[16:20]) * _SHOWN // DOTS
    image = base64.b64encode(png).decode()
    names = rf"\b({'|'.join(map(re.escape, said.about))})\b"
    written = re.sub(names, lambda match: said.symbol(match.group()), escape(caption))
    return (
        f'<figure id="figure-{_anchor(name)}"><img alt="{escape(caption)}" loading="lazy" '
        f'width="{width}" src="data:image/png;base64,{image}">'
        f"<figcaption><b>{escape(name)}.</b> {written} {said.numbers(name)}</figcaption>"
        "</figure>"
    )


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _table(name: str, head: list[str], rows: list[list[str]], note: str = "") -> str:
    """A table of cells in HTML; what sorts and searches it is in ``page.js``."""
    search = ""
    if len(rows) > _LONG:
        search = (
            f'<p class="search"><label>Search {escape(name)} <input type="search"></label> '
            f'<output aria-live="polite">{len(rows)} rows</output></p>'
        )
    titles = "".join(f'<th scope="col"><button type="button">{cell}</button></th>' for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    foot = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<div class="table" id="table-{_anchor(name)}">{search}<div class="scroll" tabindex="0" '
        f'role="region" aria-label="{escape(name)}"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>{foot}</div>"
    )


#: Columns of pulls.csv that are shown.
_PULLS = {
    "observable": "observable", "category": "category", "pull": "pull", "pull_sm": "pull in the SM",
    "change": "change of |pull|", "prediction": "prediction", "prediction_sm": "SM",
    "experiment": "experiment", "uncertainty": "uncertainty",
    "uncertainty_theory": "of this, theory",
}  # fmt: skip


def _csv(heading: str, path: str, shown: Mapping[str, str] | None = None) -> str:
    """A CSV as a table; numbers with four digits, and all of them for sorting.

    ``shown``: its columns, in their order, and their titles (default: all by their names).
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = shown or {name: name.replace("_", " ") for name in rows[0]}
    cells = [[_cell(row[name]) for name in shown] for row in rows]
    return f"<h3>{escape(heading)}</h3>" + _table(heading, list(map(escape, shown.values())), cells)


def _cell(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return escape(text)
    exact = f'<data value="{escape(text)}">'
    return f"{exact}{short(value) if '.' in text or 'e' in text else escape(text)}</data>"


def _markdown(path: str) -> str:
    """Markdown of `tables.markdown`: a title, tables and paragraphs."""
    blocks = []
    for block in Path(path).read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        if block.startswith("# "):
            blocks.append(f"<h3>{escape(block[2:])}</h3>")
        elif block.startswith("|"):
            cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
            titles = list(map(escape, cells[0]))
            rows = [[_cell(c) for c in row] for row in cells[2:]]
            blocks.append(_table(Path(path).stem, titles, rows))
        elif block.startswith("* "):
            items = re.split(r"^\* ", block, flags=re.MULTILINE)[1:]
            blocks.append("<ul>" + "".join(f"<li>{_inline(x)}</li>" for x in items) + "</ul>")
        else:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "\n".join(blocks)


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def _record(record: dict) -> str:
    """What the run was made from."""
    configuration = yaml.safe_dump(record["configuration"], sort_keys=False, allow_unicode=True)
    git = record["git"] or {}
    state = git.get("commit", "not in a repository") + " (modified)" * bool(git.get("modified"))
    used = {**record["versions"], **record["system"]}
    versions = [[escape(k), escape(str(v))] for k, v in used.items()]
    digests = [[escape(k), f"<code>{escape(v)}</code>"] for k, v in record["files"].items()]
    tables = {
        "Versions": _table("versions", ["package", "version"], versions),
        "Files": _table("files", ["file", "sha256, 32 digits"], digests),
    }
    return (
        f"<p>{escape(record['check'].capitalize())}. Commit <code>{escape(state)}</code>; data "
        f"<code>{escape(record['data']['digest'])}</code>.</p>"
        f"<details><summary>Configuration</summary><pre>{escape(configuration)}</pre></details>"
        + "".join(f"<details><summary>{k}</summary>{v}</details>" for k, v in tables.items())
    )
