"""One point of parameter space in full, as plain data and as text.

Scans of many points are in `scan`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from malaphoric import store
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.engines.protocol import CKM, HasCoefficients
from malaphoric.inference import statistics
from malaphoric.inference.c9 import PORT
from malaphoric.physics import smeft
from malaphoric.physics.parameters import MASS
from malaphoric.physics.smeft import M_REFERENCE, g_prime

#: New physics in b → s l l where flavio reads it, at 4.8 GeV; primed: of right-handed quarks.
B_TO_SLL = [f"{c}_bs{lepton}" for c in ("C9", "C10", "C9p", "C10p") for lepton in ("ee", "mumu")]


def describe(likelihood: ModelLikelihood, **values: float) -> dict:
    """Everything about one point.

    Parameters
    ----------
    likelihood : ModelLikelihood
        From `malaphoric.load_likelihood`.
    values : float
        All of its parameters, eq. (4.1); angles and phases in rad, M_X in GeV.

    Returns
    -------
    dict
        Plain data: ``parameters``; their ``units``; ``Zprime``, the physical mass and couplings of
        `smeft.zprime`; ``categories`` with chi2, chi2_SM, dchi2 and n_obs of each and
        of "global"; ``ckm`` (gamma in rad); ``pulls``: rows of `statistics.pulls`;
        ``wilson_coefficients``: the non-zero SMEFT coefficients in GeV^-2 at mu = M_X;
        ``b_to_sll``: real parts of `B_TO_SLL`, None with the exact engine. Where the CKM extraction
        fails, ``reason`` says so and the numbers are missing.
    """
    engine, data = likelihood.engine, likelihood.data
    point = {name: float(values[name]) for name in likelihood.parameters}
    result = engine.evaluate(np.array([list(point.values())]))
    M_X = point[MASS] if likelihood.M_X is None else likelihood.M_X
    model = likelihood.model
    epsilon_hat, g_hat = point["epsilon_hat"], point["g_hat"]
    coefficients = model.smeft(**{name: point[name] for name in model.parameters}, M_X=M_X)
    description: dict[str, Any] = {
        "model": model.name,
        "parameters": {
            **point,
            "M_X": M_X,
            "epsilon": epsilon_hat * M_X / M_REFERENCE,
            "g_X": g_hat * M_X / M_REFERENCE,
            "g_prime": g_prime(M_X),
        },
        "units": {name: record.unit for name, record in model.records.items()},
        "Zprime": smeft.zprime(epsilon_hat, g_hat, M_X),
        "reason": str(result.reason[0]),
        "categories": {},
        "ckm": None,
        "pulls": [],
        "wilson_coefficients": {k: v for k, v in coefficients.items() if v},
        "b_to_sll": None,
    }
    if not description["reason"]:
        chi2 = data.chi2(result.predictions)
        description["categories"] = {
            name: {
                "chi2": float(values[0]),
                "chi2_SM": data.chi2_sm[name],
                "dchi2": data.chi2_sm[name] - float(values[0]),
                "n_obs": data.n_obs[name],
            }
            for name, values in chi2.items()
        }
        description["ckm"] = dict(zip(CKM, map(float, result.ckm[0]), strict=True))
        description["pulls"] = statistics.pulls(result.predictions[0], data)
        if isinstance(engine, HasCoefficients):
            place = np.array([list(point.values())])
            found = engine.coefficients(place, result.ckm, PORT, B_TO_SLL)[0].real
            description["b_to_sll"] = dict(zip(B_TO_SLL, found.tolist(), strict=True))
    return description


def text(description: dict, rows: int = 12) -> str:
    """A description as text for a terminal, with the given number of rows in the long lists."""
    p = description["parameters"]
    own = [name for name in p if name not in ("epsilon", "g_X", "g_prime")]
    place = [f"{name} = {p[name]:g} {description['units'][name]}".strip() for name in own]
    lines = [
        f"{description['model']}: {', '.join(place)}",
        f"epsilon = {p['epsilon']:g}, g_X = {p['g_X']:g}, g'(M_X) = {p['g_prime']:.4f}",
    ]
    z = description["Zprime"]
    if z["mass"] is None:
        lines.append("|epsilon| >= 1 is unphysical: a kinetic term is not positive, no Z' exists")
    else:
        lines.append(
            f"physical Z': mass {z['mass']:.5g} GeV, couplings {z['g_X']:.4g} X "
            f"{'-' if z['g_Y'] < 0 else '+'} {abs(z['g_Y']):.4g} Y"
        )
    if description["reason"]:
        reason = description["reason"]
        reason = "the extraction of the CKM elements fails" if reason == "ckm" else reason
        lines += ["", f"This point cannot be computed: {reason}."]
    else:
        lines += ["", f"{'category':10}{'chi2':>10}{'chi2_SM':>10}{'Delta chi2':>12}{'N':>6}"]
        for name, c in description["categories"].items():
            lines.append(
                f"{name:10}{c['chi2']:10.2f}{c['chi2_SM']:10.2f}{c['dchi2']:12.3f}{c['n_obs']:6d}"
            )
        ckm = ", ".join(f"{name} = {value:.6g}" for name, value in description["ckm"].items())
        lines += ["", f"CKM elements: {ckm}"]
        for title, key in (
            ("Largest pulls", lambda row: -abs(row["pull"])),
            ("Observables whose pull changes most", lambda row: -abs(row["change"])),
        ):
            lines += ["", f"{title:50}{'prediction':>12}{'experiment':>12}{'pull':>7}{'in SM':>7}"]
            for row in sorted(description["pulls"], key=key)[:rows]:
                lines.append(
                    f"{row['observable']:50}{row['prediction']:12.4g}{row['experiment']:12.4g}"
                    f"{row['pull']:7.2f}{row['pull_sm']:7.2f}"
                )
    if found := description["b_to_sll"]:
        shown = [item for item in found.items() if abs(item[1]) >= 5e-4]
        lines += ["", "New physics in b -> s l l at 4.8 GeV (WCxf, flavio; real parts)"]
        lines += _three_a_line([f"{name} = {value:.3f}" for name, value in shown])
    lines += ["", f"SMEFT coefficients at mu = {p['M_X']:g} GeV (WCxf, Warsaw) [GeV^-2]"]
    largest = sorted(description["wilson_coefficients"].items(), key=lambda item: -abs(item[1]))
    lines += _three_a_line([f"{name} = {value:.4e}" for name, value in largest[:rows]])
    if smaller := len(largest[rows:]):
        lines.append(f"  and {smaller} smaller ones: --rows {len(largest)} shows all")
    return "\n".join(line.rstrip() for line in lines)


def _three_a_line(words: list[str]) -> list[str]:
    return ["  " + "  ".join(f"{n:26}" for n in words[i : i + 3]) for i in range(0, len(words), 3)]


def write_wcxf(description: dict, path: str | Path) -> None:
    """Write the SMEFT coefficients of a description as a WCxf file (JSON).

    It loads with ``wcxf.WC.load`` and ``wilson.Wilson.load_wc``.
    """
    content = {
        "eft": "SMEFT",
        "basis": "Warsaw",
        "scale": description["parameters"]["M_X"],
        "values": {
            name: {"Re": value.real, "Im": value.imag} if isinstance(value, complex) else value
            for name, value in sorted(description["wilson_coefficients"].items())
        },
    }
    store.write_text(path, json.dumps(content, indent=2) + "\n")
