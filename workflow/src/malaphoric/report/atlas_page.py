"""An atlas as one page that needs no server and no network: what came out, map, ranking, checks.

What pages are made of is in `elements`; the map of all best fits is drawn in the browser from the
tables of the ranking, so that it shows what is searched for.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from malaphoric.atlas import ranking
from malaphoric.atlas.fitting import COEFFICIENTS, COLUMNS, FITS, PARAMETERS, Fitted
from malaphoric.atlas.solutions import SPECIES
from malaphoric.data.categories import GLOBAL
from malaphoric.inference.c9 import PLANES
from malaphoric.inference.statistics import delta_chi2_level
from malaphoric.physics.parameters import BY_NAME
from malaphoric.report import elements
from malaphoric.report.elements import html, short, table, valued

# Models in the ranking: 2.4 kB each, and there are 11,662 with charges up to 6.
_SHOWN = 1000

_NAMES = {"mixed": "all parameters free", "unmixed": "unmixed, ε̂ = 0"}

_TABLES = {"mixed": "ranking", "unmixed": "unmixed fits"}

_COEFFICIENTS = dict(
    zip(COEFFICIENTS, (r"$C_9^e$", r"$C_9^\mu$", r"$C_{10}^e$", r"$C_{10}^\mu$"), strict=True)
)

_SYMBOLS = {name: html(f"${BY_NAME[name].symbol}$") for name in PARAMETERS}


@dataclass(frozen=True, eq=False)
class Atlas:
    """What was found of an atlas.

    Attributes
    ----------
    found : Fitted
        The best model first.
    known : dict of str to int
        Rows of models that have a name, by their titles.
    left : dict of str to int
        Models left by each of the filters.
    M_X : float
        In GeV.
    direct : tuple of ndarray, or None
        From `c9.direct_plane`.
    chance : dict or None
        From `toys.summary`, and the number of ``models``.
    exact : path or None
        ``validation/models.csv``.
    notes : list of str
        What is to be minded of the data.
    """

    found: Fitted
    known: dict[str, int]
    left: dict[str, int]
    M_X: float
    direct: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    chance: dict | None
    exact: str | None
    notes: list[str]


def make(
    atlas: Atlas,
    record: dict,
    figures: Mapping[str, str],
    captions: Mapping[str, str],
    title: str,
    levels: tuple[float, float],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    atlas : Atlas
    record : dict
        The run's ``record.json``.
    figures, captions : mapping
        PNG, and words that hold for every atlas, by name.
    title : str
    levels : tuple of float
        Two confidence levels.

    Returns
    -------
    str
        The same for the same content, but for the version of the compression.
    """
    said = "".join(f"<li>{sentence}</li>" for sentence in sentences(atlas))
    names = {row: name for name, row in atlas.known.items()}
    # those that have a name, wherever they are
    rows = [*range(min(_SHOWN, len(atlas.found)))]
    rows += sorted(row for row in names if row >= len(rows))
    number, mass = len(atlas.found), f"M<sub>X</sub> = {atlas.M_X / 1000:g} TeV"
    numbers = f"This run: {mass}, {' and '.join(f'{100 * x:g}%' for x in levels)} CL."
    tables = {fit: _ranking(atlas.found, fit, rows, names) for fit in FITS}
    few = f" The best {_SHOWN:,} of {number:,}; ranking.csv has all." * (len(rows) < number)
    sections = {
        "What came out": f'<ul class="notes">{said}</ul>',
        "Models": elements.template("map.html")
        + f"<h3>Ranking</h3><p>By χ²<sub>SM</sub> − χ² of the fit of all parameters.{few}</p>"
        + tables[ranking.MAIN]
        + "".join(
            f"<details><summary>The same models: {_NAMES[fit]}</summary>{own}</details>"
            for fit, own in tables.items()
            if fit != ranking.MAIN
        ),
        "By chance": _chance(atlas.chance),
        "Figures": "\n".join(
            elements.figure(name, path, captions[name], numbers) for name, path in figures.items()
        ),
        "Exact check": _exact(atlas.exact),
        "Filters": _filters(atlas.left),
        "Record": elements.record(record),
    }
    observations = f"{record['data']['n_obs'][GLOBAL]} observations"
    summary = f"{_count(number)}, {mass}, {observations}; {escape(record['check'])}."
    description = {
        "tables": {_NAMES[fit]: elements.anchor(_TABLES[fit]) for fit in reversed(FITS)},
        "axes": {name: html(_COEFFICIENTS[name]) for name in PLANES["c9"]},
        "levels": [{"level": x, "height": delta_chi2_level(x, 2)} for x in levels],
        "direct": _direct(atlas.direct),
    }
    run = record["configuration"]["run"]
    return elements.document(
        f"Anomaly-free models, {title}", run, summary, sections, description, "map.js"
    )


# ------------------------------------------------------------------------------- what is written


def sentences(atlas: Atlas) -> list[str]:
    """What came out, in HTML."""
    found = atlas.found
    main = {name: found.columns[f"{ranking.MAIN}/{name}"] for name in COLUMNS}
    dchi2 = main["dchi2"][:, -1]
    fitted = np.isfinite(dchi2)
    inside = fitted & ~_at_limit(main)
    perturbative = main["perturbative"] == 1
    words = []
    for fit in reversed(FITS):
        own = found.columns[f"{fit}/dchi2"][:, -1]
        own = own[np.isfinite(own)]
        if len(own):
            words.append(
                f"χ² of {_count(len(own))} is below that of the Standard Model by {own.min():.1f} "
                f"to {own.max():.1f}, median {np.median(own):.1f}: {_NAMES[fit]}."
            )
    if not fitted.any():
        return ["No model has a fit: the ranking says why."]
    if not fitted.all():
        words.append(
            f"{_count(np.sum(~fitted))} without a fit, which the ranking gives the reason of."
        )
    words.append(
        f"{_count(np.sum(fitted & ~inside))} with the best fit at a limit of what is physical "
        f"(|ε| = 1, where no Z′ exists); {np.sum(perturbative)} of the others perturbative."
    )
    best = {
        "The best model": fitted,
        "The best one that is at no limit and perturbative": perturbative,
    }
    for what, rows in best.items():
        if rows.any():
            row = int(rows.argmax())
            place = f", number {row + 1}" * (row > 0)
            words.append(f"{what}{place}: {_model(found, row)}.")
    for name, row in atlas.known.items():
        if fitted[row]:
            text = (
                f"{html(name)}: number {row + 1} of {len(found):,}, {dchi2[row]:.1f} below the SM"
            )
            if inside[row]:
                text += (
                    f"; number {np.sum(inside[: row + 1])} of the {np.sum(inside):,} at no limit"
                )
            words.append(f"{text}.")
    if atlas.chance:
        words.append(_by_chance(atlas.chance))
    return words + list(map(escape, atlas.notes))


def _count(number: int) -> str:
    return f"{number:,} model" + "s" * bool(number != 1)


def _at_limit(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether a parameter is at a limit, shape (n,)."""
    return (columns["at_limit"] == 1).any(axis=1)


def _model(found: Fitted, row: int) -> str:
    """Charges and best fit of a model."""
    own = {name: found.columns[f"{ranking.MAIN}/{name}"][row] for name in COLUMNS}
    values = zip(PARAMETERS, own["values"].tolist(), own["errors"].tolist(), strict=True)
    place = ", ".join(f"{_SYMBOLS[name]} = {valued(x, error)}" for name, x, error in values)
    charges = html(f"{found.models.model(row).title}, $X_H = {found.models.higgs[row]}$")
    return f"{charges}; {place}; {own['dchi2'][-1]:.2f} below the SM, p-value {own['p_value']:.2g}"


def _by_chance(chance: dict) -> str:
    """What toys say of the best model."""
    quantiles = chance["best_of"][str(chance["models"])]
    least = "at most " * (chance["observed"] > max(chance["best"]))
    return (
        f"By chance the best of {_count(chance['models'])} improves by {quantiles['median']:.1f} "
        f"(median of {len(chance['best'])} pseudo-data of the SM), by "
        f"{quantiles['quantile_95']:.1f} in one of twenty, by {max(chance['best']):.1f} at most; "
        "to the real data the best of all fits better than the SM by "
        f"{chance['observed']:.1f}: p-value {least}{chance['p_value']:.2g}."
    )


def _chance(chance: dict | None) -> str:
    if chance is None:
        return "<p>This atlas has no toys.</p>"
    rows = [
        [_exactly(int(number)), f"{own['median']:.2f}", f"{own['quantile_95']:.2f}"]
        for number, own in chance["best_of"].items()
    ]
    head = ["best of so many models", "χ²<sub>SM</sub> − χ²: median", "95% of pseudo-data below"]
    return f"<p>{_by_chance(chance)}</p>" + table("toys", head, rows)


def _exact(path: str | None) -> str:
    """The best models by smelli itself."""
    if path is None:
        return "<p>Not checked against exact points.</p>"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return "<p>There is no best fit to check.</p>"
    errors = [key for key in rows[0] if key.startswith("error_")]
    worst, name = max((float(row[key]), key) for row in rows for key in errors)
    said = (
        f"{_count(len(rows))} by smelli itself at their best fits; the compiled engine's χ² is off "
        f"by {worst:.2g} at most ({name.removeprefix('error_')})"
    )
    shown = {key: key.replace("exact_dchi2", "Δχ²").replace("_", " ") for key in rows[0]}
    del shown["model"]  # which is in the ranking
    return f"<p>{said}.</p>" + elements.csv_table("Models by smelli", path, shown)


def _filters(left: Mapping[str, int]) -> str:
    rows = [[escape(what), _exactly(number, f"{number:,}")] for what, number in left.items()]
    return table("filters", ["asked for, one after the other", "left"], rows)


# -------------------------------------------------------------------------------------- ranking


def _ranking(found: Fitted, fit: str, rows: Sequence[int], names: Mapping[int, str]) -> str:
    """The ranked models with a fit, as a table."""
    columns = {name: found.columns[f"{fit}/{name}"] for name in COLUMNS}
    other = next(name for name in FITS if name != fit)
    beside = found.columns[f"{other}/dchi2"][:, -1]
    head = {
        "rank": "rank",
        "known": "name",
        **{f: f"X<sub>{'ν' if f == 'nu' else f}</sub>" for f in [*SPECIES, "H"]},
        "dchi2": "Δχ²",
        **{f"dchi2_{name}": f"Δχ² {escape(name)}" for name in found.categories[:-1]},
        "beside": f"Δχ² {other}",
        **_SYMBOLS,
        **{name: html(symbol) for name, symbol in _COEFFICIENTS.items()},
        "p_value": "p-value",
        "AIC": "AIC",
        "at_limit": "at a limit",
        "width_over_mass": "Γ/M",
        "perturbative": "perturbative",
        "converged": "converged",
        "reason": "without a fit because",
    }
    body = []
    for row in rows:
        own = {name: values[row].tolist() for name, values in columns.items()}
        charges = [" ".join(map(str, x)) for x in found.models.charges[row].tolist()]
        cells = [_exactly(row + 1), html(names.get(row, ""))]
        cells += [x.replace("-", "−") for x in [*charges, str(int(found.models.higgs[row]))]]
        cells += [_exactly(x, f"{x:.2f}") for x in [own["dchi2"][-1], *own["dchi2"][:-1]]]
        cells.append(_exactly(float(beside[row]), f"{beside[row]:.2f}"))
        pairs = zip(own["values"], own["errors"], strict=True)
        cells += [_exactly(x, valued(x, error)) for x, error in pairs]
        cells += [_exactly(x, f"{x:.3f}") for x in own["coefficients"]]
        cells += [_exactly(own["p_value"], short(own["p_value"], 2))]
        cells += [_exactly(own["AIC"], f"{own['AIC']:.2f}")]
        at = zip(PARAMETERS, own["at_limit"], strict=True)
        cells.append(", ".join(_SYMBOLS[name] for name, yes in at if yes == 1))
        cells.append(_exactly(own["width_over_mass"], short(own["width_over_mass"], 2)))
        cells += [{1.0: "yes", 0.0: "no"}.get(own[x], "") for x in ("perturbative", "converged")]
        cells.append(escape(str(found.reason[row])))
        body.append(cells)
    if not any(found.reason[row] for row in rows):  # a column of nothing
        del head["reason"]
        body = [cells[:-1] for cells in body]
    some = np.array(rows, dtype=int)
    inside = (np.isfinite(columns["dchi2"][:, -1]) & ~_at_limit(columns))[some]
    filters = {"at no limit": inside, "perturbative": columns["perturbative"][some] == 1}
    note = (
        "Charges are by family, the second lepton the muon; Δχ² = χ²<sub>SM</sub> − χ²; "
        "coefficients: new physics, real parts at 4.8 GeV. In quotes, numbers in this order: "
        "<code>&quot;-1 -2 0&quot;</code>."
    )
    titles = list(head.values())
    return table(_TABLES[fit], titles, body, note, list(head), filters)


def _exactly(value: float, shown: str = "") -> str:
    """A number as it is shown, and all its digits for sorting; empty for what there is none of."""
    if not np.isfinite(value):
        return ""
    return f'<data value="{value!r}">{(shown or str(value)).replace("-", "−")}</data>'


def _direct(direct: tuple[np.ndarray, np.ndarray, np.ndarray] | None) -> dict | None:
    """The direct fit for the map: axes, height by (x, y), best fit."""
    if direct is None:
        return None
    corners, chi2, best = direct
    axes = [
        np.linspace(ends[0], ends[1], chi2.shape[i]).tolist() for i, ends in enumerate(corners.T)
    ]
    return {"axes": axes, "height": np.round(chi2 - chi2.min(), 3).tolist(), "best": best.tolist()}
