"""Dimension-6 SMEFT coefficients of a kinetically mixed U(1)_X gauge boson, eqs (2.8)-(2.30).

Here lives the tree-level matching at the scale M_X, vectorised over parameter points, in the
WCxf non-redundant, down-aligned Warsaw basis; running and observables live elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from malaphoric.model import Model

#: Reference mass of the hatted couplings, eq. (4.1), in GeV.
M_REFERENCE = 3000.0

#: Hypercharges of the paper's Table 2.
HYPERCHARGE = {"q": 1 / 6, "l": -1 / 2, "e": -1.0, "d": -1 / 3, "u": 2 / 3, "H": 1 / 2}

# Electroweak inputs of wilson at mu = m_Z (`wilson.run.smeft.smpar.p`, tree-level relations of
# `smeftpar`); the running there is one-loop, so the closed formula below is the same g'.
_M_Z, _M_W, _G_F, _ALPHA_E = 91.1876, 80.20, 1.1663787e-5, 1 / 127.9


def g_prime(scale: float) -> float:
    """Hypercharge gauge coupling g' of the Standard Model at a renormalisation scale.

    One-loop running, b = 41/6, from wilson's value at m_Z = 91.1876 GeV. The matching uses
    g'(M_X), because that is the scale at which the coefficients are defined.

    Parameters
    ----------
    scale : float
        Renormalisation scale in GeV, positive.

    Returns
    -------
    float
        g' (dimensionless); 0.3647 at 3 TeV.
    """
    e2 = 4 * np.pi * _ALPHA_E
    g2 = (2 * _M_W) ** 2 * np.sqrt(2) * _G_F
    inverse = 1 / e2 - 1 / g2 - 41 / 6 / (8 * np.pi**2) * np.log(scale / _M_Z)
    return float(inverse**-0.5)


def couplings(
    model: Model,
    epsilon_hat: np.ndarray,
    g_hat: np.ndarray,
    theta_sb: np.ndarray,
    M_X: float = M_REFERENCE,
) -> dict[str, np.ndarray]:
    """Couplings of the heavy vector to the currents of J - epsilon j, eq. (2.6).

    Parameters
    ----------
    model : Model
        Charges and quark mixing.
    epsilon_hat, g_hat, theta_sb : array_like, shape (n,)
        Scan parameters, eq. (4.1); theta_sb in rad.
    M_X : float
        Mass of the X boson in GeV.

    Returns
    -------
    dict
        ``l``, ``e``, ``d``, ``u``: shape (n, 3), g_X X_f - g' epsilon Y_f by family;
        ``q``: shape (n, 3, 3), Xi of eq. (2.12); ``H``: shape (n,). Dimensionless.
    """
    epsilon_hat, g_hat, theta_sb = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(x, dtype=float)) for x in (epsilon_hat, g_hat, theta_sb))
    )
    g_x = g_hat * M_X / M_REFERENCE
    g_epsilon = g_prime(M_X) * epsilon_hat * M_X / M_REFERENCE
    result = {
        f: np.multiply.outer(g_x, model.charges[f"X_{f}"])
        - HYPERCHARGE[f] * g_epsilon[:, np.newaxis]
        for f in "ledu"
    }
    rotation = model.v_dl(theta_sb)
    rotated = np.einsum("nki,k,nkj->nij", rotation, model.charges["X_q"], rotation)
    result["q"] = g_x[:, np.newaxis, np.newaxis] * rotated - HYPERCHARGE["q"] * np.multiply.outer(
        g_epsilon, np.eye(3)
    )
    result["H"] = g_x * model.charges["X_H"] - HYPERCHARGE["H"] * g_epsilon
    return result


def zprime(epsilon_hat: float, g_hat: float, M_X: float = M_REFERENCE) -> dict:
    """Mass and couplings of the physical Z', which eq. (2.1) mixes out of X and B.

    Diagonalising the kinetic terms, then the masses, to leading order in v^2/M_X^2: the mass is
    M_X / sqrt(1 - epsilon^2), and the current (J - epsilon j) / sqrt(1 - epsilon^2).

    Parameters
    ----------
    epsilon_hat, g_hat : float
        Eq. (4.1).
    M_X : float
        In GeV.

    Returns
    -------
    dict
        ``mass`` in GeV; ``g_X`` and ``g_Y``: a field of charge X and hypercharge Y couples with
        g_X X + g_Y Y (g' taken at M_X). None for |epsilon| >= 1 (within 1e-5), where there is no
        such particle: its mass grows beyond all bounds.
    """
    epsilon = epsilon_hat * M_X / M_REFERENCE
    if abs(epsilon) > 1 - 1e-5:
        return {"mass": None, "g_X": None, "g_Y": None}
    norm = (1 - epsilon**2) ** 0.5
    return {
        "mass": M_X / norm,
        "g_X": g_hat * M_X / M_REFERENCE / norm,
        "g_Y": -g_prime(M_X) * epsilon / norm + 0.0,  # no negative zero
    }


# The 27 non-redundant qq1 of WCxf, footnote 6 of the paper.
_QQ1 = (
    "1111 1112 1113 1122 1123 1133 1212 1213 1221 1222 1223 1231 1232 1233 1313 1322 1323 "
    "1331 1332 1333 2222 2223 2233 2323 2332 2333 3333"
).split()

# operator, first current, second current: bilinears of two different fields, (2.14)-(2.23)
_MIXED = (
    ("le", "l", "e"),
    ("lu", "l", "u"),
    ("ld", "l", "d"),
    ("eu", "e", "u"),
    ("ed", "e", "d"),
    ("ud1", "u", "d"),
    ("lq1", "l", "q"),
    ("qe", "q", "e"),
    ("qu1", "q", "u"),
    ("qd1", "q", "d"),
)


def _bilinears(field: str, coupling: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Indices and couplings of a current in the non-redundant basis (j >= i for q)."""
    if field == "q":
        return [(f"{i + 1}{j + 1}", coupling[:, i, j]) for i in range(3) for j in range(i, 3)]
    return [(f"{i + 1}{i + 1}", coupling[:, i]) for i in range(3)]


def coefficients(
    model: Model,
    epsilon_hat: np.ndarray,
    g_hat: np.ndarray,
    theta_sb: np.ndarray,
    M_X: float = M_REFERENCE,
) -> dict[str, np.ndarray]:
    """All non-zero SMEFT coefficients of eqs (2.8)-(2.30), in GeV^-2 at mu = M_X.

    Parameters
    ----------
    model : Model
        Charges and quark mixing.
    epsilon_hat, g_hat, theta_sb : array_like, shape (n,)
        Scan parameters, eq. (4.1); theta_sb in rad.
    M_X : float
        Mass of the X boson and matching scale, in GeV.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        WCxf names of the SMEFT, Warsaw basis (non-redundant, down-aligned), real values.

    Notes
    -----
    ``ll``, ``ee``, ``uu``, ``dd`` carry the factor 2 - delta_ij of the text below (2.11); the
    components of ``qq1`` are summed into their WCxf representative as below (2.13).
    """
    c = couplings(model, epsilon_hat, g_hat, theta_sb, M_X)
    norm = -1 / M_X**2
    result = {}
    for f in "leud":  # (2.8)-(2.11)
        for i in range(3):
            for j in range(i, 3):
                name = f"{f}{f}_{i + 1}{i + 1}{j + 1}{j + 1}"
                result[name] = norm * (0.5 if i == j else 1.0) * c[f][:, i] * c[f][:, j]
    xi = c["q"]
    for name in _QQ1:  # (2.13): ijkl and klij are one operator, Hermitian conjugates are implied
        i, j, k, m = (int(index) - 1 for index in name)
        multiplicity = 1 if (i, j) == (k, m) else 2
        result[f"qq1_{name}"] = norm / 2 * multiplicity * xi[:, i, j] * xi[:, k, m]
    for name, first, second in _MIXED:  # (2.14)-(2.23)
        for index1, coupling1 in _bilinears(first, c[first]):
            for index2, coupling2 in _bilinears(second, c[second]):
                result[f"{name}_{index1}{index2}"] = norm * coupling1 * coupling2
    for name, field in (("q1", "q"), ("l1", "l"), ("e", "e"), ("d", "d"), ("u", "u")):
        for index, coupling in _bilinears(field, c[field]):  # (2.24)-(2.28)
            result[f"phi{name}_{index}"] = norm * c["H"] * coupling
    result["phiBox"] = norm / 2 * c["H"] ** 2  # (2.29)
    result["phiD"] = 2 * norm * c["H"] ** 2  # (2.30)
    return result
