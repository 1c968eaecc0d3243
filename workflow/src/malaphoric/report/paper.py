"""What arXiv:2409.06804 itself says: its model, its mass and its numbers, and nothing of ours.

They are held against ours in `tables` and `comparison`. Imports nothing slow.
"""

from __future__ import annotations

from typing import TypedDict

from malaphoric.physics.model import Model
from malaphoric.physics.smeft import M_REFERENCE

#: Its Table 3, normalised as there: X = 3 (B_3 - L_2).
MODEL = {
    "charges": {
        "X_q": [0, 0, 1],
        "X_l": [0, -3, 0],
        "X_e": [0, -3, 0],
        "X_d": [0, 0, 1],
        "X_u": [0, 0, 1],
        "X_H": 0,
    },
    "mixing": {"V_dL": [{"plane": 23, "angle": "theta_sb", "phase": 0.0}]},  # eq. (3.2)
    "flavour_changing": {},
}

#: Its parameters, eq. (4.1), in the order of its points.
PARAMETERS = ("epsilon_hat", "g_hat", "theta_sb")

#: Its Table 1: chi2, N, p.
TABLE1 = {
    "quarks": (419.0, 306, 1.7e-5),
    "EWPOs": (36.8, 31, 0.22),
    "LEP2": (150.0, 148, 0.44),
    "LFU": (18.5, 24, 0.78),
    "global": (624.0, 509, 3.4e-4),
}

#: Its categories.
CATEGORIES = tuple(name for name in TABLE1 if name != "global")

#: Its fits, and what they hold fixed.
FITS = {"unmixed": {"epsilon_hat": 0.0}, "malaphoric": {}}


class Fit(TypedDict):
    """A row of its Table 4."""

    point: tuple[float, float, float]  #: `PARAMETERS`
    dchi2: dict[str, float]  #: by category
    p_value: float


#: Its Table 4.
TABLE4: dict[str, Fit] = {
    "unmixed": {
        "point": (0.0, 0.12, -0.11),
        "dchi2": {"quarks": 35.2, "EWPOs": 0.0, "LEP2": 0.00, "LFU": -4.0, "global": 31.2},
        "p_value": 0.006,
    },
    "malaphoric": {
        "point": (-0.92, 0.078, -0.17),
        "dchi2": {"quarks": 37.6, "EWPOs": 0.3, "LEP2": -0.02, "LFU": 0.3, "global": 38.2},
        "p_value": 0.01,
    },
}


def has_the_papers_model(model: Model) -> bool:
    """Whether a model is the paper's by its charges and mixing, whatever its name."""
    return {key: model.as_dict()[key] for key in MODEL} == MODEL


def is_the_papers(model: Model, M_X: float | None) -> bool:
    """Whether model and mass are the paper's: only then its points of Table 4 mean something.

    Parameters
    ----------
    model : Model
    M_X : float or None
        In GeV; None where it is a parameter.
    """
    return has_the_papers_model(model) and M_X == M_REFERENCE
