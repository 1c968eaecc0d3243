"""Our numbers beside the paper's, and beside its closed formulas (4.4)-(4.6).

The numbers themselves come from `statistics` and the engines; here they are put side by side.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from malaphoric.likelihood import Likelihood
from malaphoric.model import Model
from malaphoric.tables import LEP2_NOTE, PAPER_TABLE1, PAPER_TABLE4

# Inputs of the closed formulas: Fermi constant (GeV^-2), alpha_e(m_Z), sin^2 of the Weinberg angle,
# |V_tb V_ts^*|, and the loop function and running factor of eq. (4.6).
_G_F, _ALPHA_E, _S2W = 1.1663788e-5, 1 / 127.95, 0.2312
_R_SM_LOOP = 1.3397e-3
_ETA_MASS, _ETA = (1000.0, 10000.0), (0.79, 0.74)


def is_the_papers(model: str, M_X: float) -> bool:
    """Whether a run can be compared with the paper's Table 4: its model at its mass."""
    return model == "b3-l2" and M_X == 3000


def closed_formulas(
    model: Model, point: tuple[float, float, float], M_X: float, ckm: dict[str, float]
) -> dict[str, float]:
    """Low-energy coefficients and the ratio of Delta M_s without running, eqs (4.4), (4.6), (A.1).

    Parameters
    ----------
    model : Model
    point : tuple of float
        epsilon_hat, g_hat, theta_sb (rad).
    M_X : float
        In GeV.
    ckm : dict
        Vus, Vcb, Vub, gamma (rad).

    Returns
    -------
    dict
        ``C9_mu``, ``C10_mu``, ``C9_e``, ``C10_e`` in flavio's normalisation (divided by
        V_tb V_ts^*), and ``DeltaM_s``, the ratio to the SM.
    """
    c = model.smeft(*point, M_X=M_X)
    vts = -ckm["Vcb"] * (1 - ckm["Vus"] ** 2 / 2) - ckm["Vus"] * ckm["Vub"] * np.cos(ckm["gamma"])
    factor = 2 * np.sqrt(2) * np.pi**2 / (4 * np.pi * _ALPHA_E * _G_F) / vts
    result = {}
    for name, i in (("mu", 2), ("e", 1)):
        lq, qe, phiq = c[f"lq1_{i}{i}23"], c[f"qe_23{i}{i}"], c["phiq1_23"]
        result[f"C9_{name}"] = factor * (qe + lq - (1 - 4 * _S2W) * phiq)
        result[f"C10_{name}"] = factor * (qe - lq + phiq)
    eta = np.interp(np.log(M_X), np.log(_ETA_MASS), _ETA)
    # (4.6) with g_X^2 sin^2(2 theta)/(8 M_X^2) = -C_qq1_2323
    term = -eta * c["qq1_2323"] / _R_SM_LOOP * np.sqrt(2) / (4 * _G_F * vts**2)
    result["DeltaM_s"] = abs(1 + term)
    # C10 cancels in (4.4): what is left is rounding
    return {name: round(float(value), 12) + 0.0 for name, value in result.items()}


def run_down(model: Model, point: tuple, M_X: float, ckm: dict) -> dict[str, float]:
    """The same coefficients by wilson, run from M_X to 4.8 GeV; imports wilson."""
    from wilson import Wilson

    w = Wilson(model.smeft(*point, M_X=M_X), scale=M_X, eft="SMEFT", basis="Warsaw")
    w.set_option("smeft_accuracy", "leadinglog")
    w.set_option("parameters", {name: ckm[name] for name in ("Vus", "Vcb", "Vub", "gamma")})
    found = w.match_run(4.8, "WET", "flavio", sectors=("sb",)).dict
    names = {f"C{n}_{x}": f"C{n}_bs{x}{x}" for n in (9, 10) for x in ("mu", "e")}
    return {ours: float(np.real(found.get(theirs, 0))) for ours, theirs in names.items()}


def analytic_rows(
    model: Model, point: tuple, M_X: float, ckm: dict, predictions: np.ndarray, data: Likelihood
) -> list[dict]:
    """Closed formulas beside the full computation at one point.

    Parameters
    ----------
    predictions : ndarray, shape (n_observables,)
        Exact predictions at the point.

    Returns
    -------
    list of dict
        quantity, formula, computed, difference, remark.
    """
    closed, full = closed_formulas(model, point, M_X, ckm), run_down(model, point, M_X, ckm)
    column = {name: i for i, name in enumerate(data.observables)}

    def ratio(name: str) -> float:
        return float(predictions[column[name]] / data.sm[column[name]])

    running = "running from M_X to 4.8 GeV, neglected by the formula"
    rows = [
        _analytic("C9 (mu), eq. (4.4)", closed["C9_mu"], full["C9_mu"], running),
        _analytic("C9 (e), eq. (4.4)", closed["C9_e"], full["C9_e"], running),
        _analytic("C10 (mu), eq. (4.4)", closed["C10_mu"], full["C10_mu"], running),
        _analytic("C10 (e), eq. (4.4)", closed["C10_e"], full["C10_e"], running),
        _analytic(
            "BR(Bs->mumu) / SM, eq. (4.5)",
            1.0,
            ratio("BR(Bs->mumu)"),
            "C10 from running, and CKM elements that move with Delta M_s",
        ),
        _analytic(
            "Delta M_s / SM, eq. (4.6)",
            closed["DeltaM_s"],
            ratio("DeltaM_s"),
            "hadronic inputs of flavio, and CKM elements that move",
        ),
    ]
    shift = float(predictions[column["m_W"]] - data.sm[column["m_W"]])
    rows.append(
        {
            "quantity": "m_W - SM [MeV], sign from (2.29), (2.30)",
            "formula": "positive",
            "computed": 1000 * shift,
            "difference": "",
            "remark": "as the paper says"
            if shift > 0
            else "none: no mixing with the Higgs current",
        }
    )
    return rows


def _analytic(quantity: str, formula: float, computed: float, remark: str) -> dict:
    return {
        "quantity": quantity,
        "formula": formula,
        "computed": computed,
        "difference": computed - formula,
        "remark": remark,
    }


def paper_rows(fits: dict, data: Likelihood, exact: np.ndarray) -> list[dict]:
    """Every number of Tables 1 and 4 and of the text, beside ours.

    Parameters
    ----------
    fits : dict
        Content of ``best_fit.json``; empty for another model or mass than the paper's.
    data : Likelihood
    exact : ndarray, shape (2, n_observables)
        Exact predictions at the paper's two best-fit points.

    Returns
    -------
    list of dict
        where, quantity, paper, ours, difference, reason.
    """
    rows = []

    def add(
        where: str, quantity: str, paper: float, ours: float, digits: float, reason: str
    ) -> None:
        difference = ours - paper
        rows.append(
            {
                "where": where,
                "quantity": quantity,
                "paper": paper,
                "ours": ours,
                "difference": difference,
                "reason": "" if abs(difference) <= digits else reason,
            }
        )

    versions = (
        "other versions (smelli 2.4.3, flavio 2.7.1, wilson 2.5.2 here; 2.4.1, 2.6.1, 2.3.2 "
        "there) and another draw of the covariance; not traced further"
    )
    for name, (chi2, n_obs, p) in PAPER_TABLE1.items():
        if name not in data.chi2_sm:
            continue
        ours = float(stats.chi2.sf(data.chi2_sm[name], data.n_obs[name]))
        add("Table 1", f"chi2 of the SM, {name}", chi2, data.chi2_sm[name], 0.5, versions)
        add("Table 1", f"N, {name}", n_obs, data.n_obs[name], 0, "another selection")
        add("Table 1", f"p-value of the SM, {name}", p, ours, 0.05 * p, versions)
    if not fits:  # another model or mass: only the Standard Model can be compared
        return rows
    chi2 = data.chi2(exact)
    for number, (name, paper) in enumerate(PAPER_TABLE4.items()):
        for category, value in paper["dchi2"].items():
            if category in chi2:
                ours = data.chi2_sm[category] - float(chi2[category][number])
                reason = LEP2_NOTE if category == "LEP2" else versions
                add("Table 4", f"dchi2 {category}, {name}, its point", value, ours, 0.05, reason)
        fit = fits.get(name)
        if fit:
            parameters = zip(("epsilon_hat", "g_hat", "theta_sb"), paper["point"], strict=True)
            valley = "the minimum is flat along g_hat theta_sb: see the errors in best_fit.json"
            for axis, value in parameters:
                add("Table 4", f"{axis}, {name}", value, fit[axis], 0.005, valley)
            value = paper["dchi2"]["global"]
            ours = fit["dchi2"]["global"]
            add("Table 4", f"dchi2 global, {name}, our best fit", value, ours, 0.05, versions)
            add(
                "Table 4, text",
                f"p-value, {name}",
                paper["p_value"],
                fit["p_value"],
                5e-4,
                versions,
            )
    mixed, unmixed = fits.get("malaphoric"), fits.get("unmixed")
    if mixed and unmixed:
        gain = mixed["dchi2"]["global"] - unmixed["dchi2"]["global"]
        add(
            "text, abstract",
            "improvement by kinetic mixing",
            7.0,
            gain,
            0.05,
            f"{LEP2_NOTE} It costs the mixed fit "
            f"{-mixed['dchi2'].get('LEP2', 0.0):.2f}; the rest: {versions}",
        )
        add(
            "footnote 7",
            "p-value of that improvement",
            0.06,
            mixed["p_value_over_unmixed"],
            0.005,
            "7.0 for one parameter is p = 0.008 (Wilks); what footnote 7 computes is not said",
        )
    free = fits.get("malaphoric_without_LEP2")
    if mixed and free:
        for axis in ("epsilon_hat", "g_hat", "theta_sb"):
            rows.append(
                {
                    "where": "corrected LEP2",
                    "quantity": f"{axis} of a fit that leaves LEP2 out",
                    "paper": "",
                    "ours": free[axis],
                    "difference": mixed[axis] - free[axis],
                    "reason": "difference: how far LEP2 moves our best fit",
                }
            )
    if mixed:
        add(
            "text",
            "p-value of the improvement over the SM",
            1e-8,
            mixed["p_value_over_SM"],
            5e-9,
            "38.2 for three parameters is p = 2.6e-8 (Wilks)",
        )
    return rows
