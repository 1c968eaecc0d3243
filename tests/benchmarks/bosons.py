"""The compiled engine against smelli at fresh points of very different bosons.

``python tests/benchmarks/bosons.py [POINTS] [NAME ...]`` prints the table of docs/physics.md;
POINTS (default: 12) per boson, half within 100 of the minimum and half up to 400, cost some ten
seconds each. Not a test, because it takes a quarter of an hour.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from malaphoric import Model, load_likelihood
from malaphoric.data.categories import CATEGORIES
from malaphoric.report.paper import MODEL

import numpy as np

PAPERS = {"plane": 23, "angle": "theta_sb"}
B3_L2 = MODEL["charges"]
UNIVERSAL = {f"X_{f}": [x] * 3 for f, x in (("q", 1), ("u", 1), ("d", 1), ("l", -3), ("e", -3))}

#: Model (a name, or charges and mixing) and M_X in GeV; None where it is a parameter.
BOSONS = {
    "B3-L2, 0.7 TeV": ("b3-l2", 700.0),
    "B3-L2, 3 TeV": ("b3-l2", 3000.0),
    "B3-L2, 20 TeV": ("b3-l2", 20e3),
    "3B3-Le-2Lmu": ("3b3-le-2lmu", 3000.0),
    # the third family's leptons are the muon and its neutrino
    "third-family hypercharge": (
        {
            "X_q": [0, 0, 1],
            "X_l": [0, -3, 0],
            "X_e": [0, -6, 0],
            "X_d": [0, 0, -2],
            "X_u": [0, 0, 4],
            "X_H": 3,
        },
        {"V_dL": [PAPERS]},
        3000.0,
    ),
    "B-L": ({**UNIVERSAL, "X_H": 0}, {}, 3000.0),
    "all charges different, 1.5 TeV": (
        {
            "X_q": [1, 1, -2],
            "X_l": [2, -1, 0],
            "X_e": [-1, 2, 1],
            "X_d": [0, 1, 2],
            "X_u": [1, 0, -1],
            "X_H": 1,
        },
        {"V_dL": [PAPERS]},
        1500.0,
    ),
    "right-handed b-s": (
        B3_L2,
        {"V_dL": [PAPERS], "V_dR": [{"plane": 23, "angle": "theta_R"}]},
        3000.0,
    ),
    "K and D mixing": (
        {**B3_L2, "X_q": [0.5, -0.5, 1]},
        {"V_dL": [{"plane": 12, "angle": "theta_ds"}, PAPERS]},
        5000.0,
    ),
    "complex b-s": (B3_L2, {"V_dL": [{**PAPERS, "phase": "phi_sb"}]}, 3000.0),
    "all quarks mix, M_X free": (
        {**B3_L2, "X_l": [-1, -2, 0], "X_H": 0.5},
        {
            "V_dL": [{"plane": 13, "angle": "theta_bd"}, {**PAPERS, "phase": "phi_sb"}],
            "V_dR": [{"plane": 23, "angle": "theta_R"}],
            "V_uR": [{"plane": 23, "angle": "theta_ct"}],
        },
        None,
    ),
}


def boson(name: str) -> tuple[Model, float | None]:
    """Model and mass of a boson."""
    model, *mixing, M_X = BOSONS[name]
    if not mixing:
        return Model.load(model), M_X
    content = {"name": "boson", "title": name, "charges": model, "mixing": mixing[0]}
    return Model.from_dict(content), M_X


def fresh(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, n_parameters), and how far their chi2 is above the lowest that was seen."""
    model, M_X = boson(name)
    lh = load_likelihood(model, M_X=M_X)
    rng = np.random.default_rng(sum(map(ord, name)))
    points = np.empty((200_000, len(lh.parameters)))
    mass = np.full(len(points), lh.M_X)
    for column, parameter in zip(points.T, lh.parameters, strict=True):
        x = rng.uniform(-1, 1, len(points))
        if parameter == "M_X":
            column[:] = mass = 700 * 30 ** ((1 + x) / 2)
        elif parameter == "g_hat":  # more at small couplings and angles: less is excluded
            column[:] = 0.6 * x**2
        elif parameter.startswith("theta"):
            column[:] = np.pi / 2 * x**5
        elif parameter.startswith("phi"):
            column[:] = np.pi * x
        else:
            column[:] = x
    points[:, 0] *= np.minimum(1, 3000 / mass)  # |epsilon| <= 1
    chi2 = lh.chi2(points)["global"]
    above = chi2 - min(np.nanmin(chi2), lh.chi2_sm["global"])
    chosen = [
        rng.permutation(np.flatnonzero((above > low) & (above <= high)))[: n // 2]
        for low, high in ((-1, 100), (100, 400))
    ]
    chosen = np.concatenate(chosen)
    return points[chosen], above[chosen]


def errors(name: str, points: np.ndarray) -> dict[str, np.ndarray]:
    """Difference of chi2 between the engines at points, by category."""
    model, M_X = boson(name)
    compiled, exact = (load_likelihood(model, e, M_X).chi2(points) for e in ("compiled", "exact"))
    return {c: compiled[c] - exact[c] for c in CATEGORIES}


def main(n: int = 12, *names: str) -> None:
    """Compare and print the table."""
    print(f"| boson | points | {' | '.join(f'{c}, near / far' for c in CATEGORIES)} |")
    print("|---|---" + "|---" * len(CATEGORIES) + "|")
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = {}
        for name in names or BOSONS:
            points, above = fresh(name, n)
            parts = [pool.submit(errors, name, part) for part in np.array_split(points, 2)]
            jobs[name] = above, parts
        for name, (above, parts) in jobs.items():
            found = [part.result() for part in parts]
            row = []
            for c in CATEGORIES:
                error = np.abs(np.concatenate([f[c] for f in found]))
                ends = [error[near].max(initial=0) for near in (above <= 100, above > 100)]
                row.append(" / ".join(f"{x:.1e}" for x in ends))
            print(f"| {name} | {len(above)} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
