"""Tables 1 and 4 of the paper with its numbers beside ours, as CSV and Markdown.

The numbers come from `statistics`; here they are only arranged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from malaphoric import store
from malaphoric.data.categories import CATEGORIES, GLOBAL
from malaphoric.data.likelihood import Likelihood
from malaphoric.inference.results import Fit, Fits
from malaphoric.inference.statistics import p_value, p_values_over, summary
from malaphoric.physics.parameters import MASS
from malaphoric.physics.smeft import M_REFERENCE, g_prime, zprime
from malaphoric.report.paper import PARAMETERS, TABLE1, TABLE4

#: Why the LEP2 column differs from the paper's.
LEP2_NOTE = (
    "LEP2 differs from the paper on purpose: the code used there sums only one of the four "
    "helicity combinations, mixes up L and R, leaves g_Z off the shifts of the Z couplings and has "
    "wrong factors in Bhabha scattering (see `malaphoric.data.lep2`)."
)


#: What tables of several runs say of their columns.
COMPARED = "Columns are those of the tables of each run; Delta chi2 = chi2_SM - chi2."

#: What follows the name of a fit in Table 4.
_BEST_FIT = ": best fit"

_OF_THE_PAPER = ("paper_chi2", "paper_n_obs", "paper_p_value")


def write(
    rows: list[dict], csv_path: str | Path, md_path: str | Path, head: str, foot: str
) -> None:
    """Write rows as CSV and as a Markdown page with a title and a note."""
    store.write_csv(csv_path, rows)
    store.write_text(md_path, markdown(head, rows, foot))


def markdown(title: str, rows: list[dict], foot: str) -> str:
    """Rows as a Markdown page with a title and a note."""
    columns = list(rows[0])
    lines = [
        f"# {title}",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(_short(row[c]) for c in columns) + " |" for row in rows),
    ]
    return "\n".join([*lines, "", foot, ""])


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def table1(chi2_sm: dict, n_obs: dict, csv_path: str | Path, md_path: str | Path) -> None:
    """Table 1: the Standard Model's chi2, number of observations and p-value by category.

    Parameters
    ----------
    chi2_sm, n_obs : dict
        By category and "global".
    csv_path, md_path : path
        Files to write.
    """
    rows = [
        {
            "set": name,
            "chi2": chi2_sm[name],
            "n_obs": n_obs[name],
            "p_value": p_value(chi2_sm[name], n_obs[name]),
            **dict(zip(_OF_THE_PAPER, TABLE1.get(name, ("", "", "")), strict=True)),
        }
        for name in chi2_sm
    ]
    foot = (
        "The covariance of the measurements in quarks is drawn at random: another seed moves its "
        "chi2 by a few tenths."
    )
    write(rows, csv_path, md_path, "Table 1: fit of the Standard Model", foot)


def table4_rows(
    fits: Fits,
    best: dict,
    paper: dict | None,
    data: Likelihood,
    comparable: bool,
    names: tuple[str, ...],
    M_X: float | None,
) -> list[dict]:
    """Rows of Table 4: the SM, our best fits and the paper's points computed exactly, the paper's.

    Parameters
    ----------
    fits : Fits
    best : dict
        Its points, as `chunks.read_points` returns them.
    paper : dict or None
        The paper's points likewise, by the exact engine; None where they are not computed, as
        for other models than the paper's.
    data : Likelihood
        Its ``chi2_sm`` and ``n_obs`` are the references.
    comparable : bool
        Whether model, mass, data and categories are the paper's, so that its numbers belong here.
    names : tuple of str
        The parameters, columns of the points.
    M_X : float or None
        In GeV; None where it is one of them.

    Returns
    -------
    list of dict
        With the columns of ``table4.csv``.
    """
    chi2_of = [*data.categories, GLOBAL]

    def weighed(points: dict, number: int, parameters: int) -> Fit:
        values = dict(zip(names, points["points"][number].tolist(), strict=True))
        chi2 = dict(zip(chi2_of, points["chi2"][number].tolist(), strict=True))
        fit = Fit(values=values, chi2=chi2, parameters=parameters)
        return summary(fit, data.chi2_sm, data.n_obs)

    nested = {other for name in fits.found for other in fits.known_in(name)}
    nested |= {"SM"} if paper else set()
    compared = [name for name in ("SM", *fits.held) if name in nested]
    row = partial(_row, names=names, M_X=M_X, compared=compared)
    found = {
        name: weighed(best, number, fit.parameters)
        for number, (name, fit) in enumerate(fits.found.items())
    }
    sm = summary(Fit(chi2=data.chi2_sm), data.chi2_sm, data.n_obs)
    ours = replace(fits, SM=sm, found=found)
    rows = [row("SM", fits.SM)]
    for name, fit in ours.found.items():
        fit = replace(fit, p_value_over=p_values_over(fit, ours.known_in(name)))
        rows.append(row(f"{name}{_BEST_FIT}", fit, remark=_remark(fits.found[name])))
    for number, (name, theirs) in enumerate(TABLE4.items()):
        if paper:
            point = weighed(paper, number, sum(x != 0 for x in theirs["point"]))
            point = replace(point, p_value_over=p_values_over(point, {"SM": sm}))
            rows.append(row(f"{name}: the paper's point", point))
        if comparable:
            values = dict(zip(PARAMETERS, theirs["point"], strict=True))
            fit = Fit(values=values, dchi2=theirs["dchi2"], p_value=theirs["p_value"])
            rows.append(row(f"{name}: the paper", fit))
    return rows


def zprime_columns(values: dict[str, float], M_X: float | None) -> dict:
    """Mass [GeV] and couplings of the physical Z'; empty for |epsilon| >= 1 and the SM."""
    mass = values.get(MASS, M_X)
    z = zprime(values["epsilon_hat"], values["g_hat"], mass) if mass and values else {}
    names = {"mass": "M_Zprime", "g_X": "g_X_Zprime", "g_Y": "g_Y_Zprime"}
    return {column: _or_empty(z.get(key)) for key, column in names.items()}


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value


def _remark(fit: Fit) -> str:
    """What makes a best fit another than it looks, in a word."""
    words = {"undetermined": fit.undetermined, "at a limit": fit.at_limit}
    found = [f"{word}: {' '.join(names)}" for word, names in words.items() if names]
    return "; ".join([*found, *([] if fit.valid else ["no proven minimum"])])


def _row(
    label: str,
    fit: Fit,
    names: tuple[str, ...],
    M_X: float | None,
    compared: list[str],
    remark: str = "",
) -> dict:
    """A row of Table 4; what a fit lacks stays empty."""
    return {
        "fit": label,
        **{name: fit.values.get(name, "") for name in names},
        **{f"dchi2_{c}": fit.dchi2.get(c, "") for c in (*CATEGORIES, GLOBAL)},
        "p_value": _or_empty(fit.p_value),
        "chi2_global": fit.chi2.get(GLOBAL, ""),
        "dof": _or_empty(fit.dof),
        **{f"p_value_over_{name}": fit.p_value_over.get(name, "") for name in compared},
        **zprime_columns(fit.values, M_X),
        "remark": remark,
    }


def mass_rows(fits: dict[str, Fit], names: tuple[str, ...], M_X: float) -> list[dict]:
    """Rows of the table of masses, one or two per mass.

    Parameters
    ----------
    fits : dict
        ``hatted``: the best fit with |epsilon_hat| <= 1, ``physical``: that with |epsilon| <= 1,
        too; as far as there are any.
    names : tuple of str
        The parameters.
    M_X : float
        In GeV.
    """
    rows: list[dict] = []
    for name, fit in fits.items():
        epsilon = fit.values["epsilon_hat"] * M_X / M_REFERENCE
        if name == "physical" and rows and rows[0]["physical"] == "yes":
            continue  # the same fit
        rows.append(
            {
                "M_X": M_X,
                "g_prime": g_prime(M_X),
                "fit": "same box" if name == "hatted" else "physical box",
                "physical": "no" if abs(epsilon) > 1 + 1e-9 else "yes",
                **{name: fit.values[name] for name in names},
                **{f"dchi2_{category}": value for category, value in fit.dchi2.items()},
                "epsilon": epsilon,
                **zprime_columns(fit.values, M_X),
            }
        )
    return rows


def table4(
    rows: list[dict],
    csv_path: str | Path,
    md_path: str | Path,
    model: str,
    M_X: float | None,
    check: str,
    notes: Iterable[str] = (),
) -> None:
    """Table 4: Delta chi2 = chi2_SM - chi2 by category; higher is better.

    Parameters
    ----------
    rows : list of dict
        From `table4_rows`.
    csv_path, md_path : path
        Files to write.
    model : str
        Name of the run's model.
    M_X : float or None
        In GeV; None where it is a parameter.
    check : str
        How its numbers are checked, in words.
    notes : iterable of str
        Sentences that follow the explanation.
    """
    about = f"Model {model}, matched with g' at M_X. "
    if M_X:
        about = (
            f"Model {model}, M_X = {M_X / 1000:g} TeV, matched with g'(M_X) = {g_prime(M_X):.4f}. "
        )
    foot = (
        f"{about}Best fits: {check}; the paper's points, where they are shown: by smelli. "
        "p_value: of the fit, with dof degrees of freedom; p_value_over_SM, and p_value_over_ any "
        "fit that is nested in that of the row: of the improvement over it (Wilks). Errors, "
        "correlations and intervals "
        "of the parameters are in best_fit.json. The physical Z' has the mass M_Zprime [GeV] and "
        "couples with g_X_Zprime X + g_Y_Zprime Y (empty for |epsilon| >= 1, where there is none). "
        f"{LEP2_NOTE}"
    )
    foot = " ".join([foot, *notes])
    write(rows, csv_path, md_path, "Table 4: fits, Delta chi2 = chi2_SM - chi2", foot)


def compared_table1(runs: Mapping[str, list[dict]]) -> list[dict]:
    """Rows of Table 1 of several runs side by side, by the names of the runs."""
    every = dict.fromkeys(row["set"] for rows in runs.values() for row in rows)
    found = {name: {row["set"]: row for row in rows} for name, rows in runs.items()}
    columns = [(what, name) for what in ("chi2", "n_obs", "p_value") for name in runs]
    return [
        {"set": own, **{f"{x} {run}": found[run].get(own, {}).get(x, "") for x, run in columns}}
        for own in every
    ]


def compared_table4(runs: Mapping[str, list[dict]]) -> list[dict]:
    """Rows of Table 4 of several runs, by the names of the runs: of each fit one below the other.

    Without the paper's; columns that only some of the runs have are empty in the others.
    """
    ours = {
        name: {r["fit"]: r for r in rows if r["fit"] == "SM" or r["fit"].endswith(_BEST_FIT)}
        for name, rows in runs.items()
    }
    every = dict.fromkeys(fit for rows in ours.values() for fit in rows)
    columns = dict.fromkeys(c for rows in ours.values() for row in rows.values() for c in row)
    return [
        {"fit": fit, "run": name, **{c: rows[fit].get(c, "") for c in columns if c != "fit"}}
        for fit in every
        for name, rows in ours.items()
        if fit in rows
    ]
