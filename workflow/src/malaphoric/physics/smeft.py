"""Dimension-6 SMEFT coefficients of a heavy neutral vector boson, eqs (2.8)-(2.30).

Here lives the tree-level matching at the scale M_X, vectorised over parameter points, in the
WCxf non-redundant, down-aligned Warsaw basis; what a model's couplings are is in `model`, running
and observables live elsewhere.
"""

from __future__ import annotations

import itertools

import numpy as np

#: Reference mass of the hatted couplings, eq. (4.1), in GeV.
M_REFERENCE = 3000.0

#: Hypercharges of the paper's Table 2.
HYPERCHARGE = {"q": 1 / 6, "l": -1 / 2, "e": -1.0, "d": -1 / 3, "u": 2 / 3, "H": 1 / 2}

_FAMILIES = tuple(itertools.product(range(3), repeat=2))
_UPPER = tuple((i, j) for i, j in _FAMILIES if i < j)

#: The real numbers that a heavy neutral vector couples with, in the order of all arrays of
#: couplings: family-diagonal ones of q, u, d, l, e and that of H, then real and imaginary parts of
#: the others of q, u and d. The imaginary parts, which come last, change sign under CP.
COUPLINGS = (
    *(f"{f}_{i + 1}{i + 1}" for f in "qudle" for i in range(3)),
    "H",
    *(f"{part} {f}_{i + 1}{j + 1}" for part in ("Re", "Im") for f in "qud" for i, j in _UPPER),
)

#: How many of `COUPLINGS` do not change under CP.
N_EVEN = 25

# Electroweak inputs of wilson at mu = m_Z (`wilson.run.smeft.smpar.p`, tree-level relations of
# `smeftpar`); the running there is one-loop, so the closed formula below is the same g'.
_M_Z, _M_W, _G_F, _ALPHA_E = 91.1876, 80.20, 1.1663787e-5, 1 / 127.9


def g_prime(scale: float | np.ndarray) -> float | np.ndarray:
    """Hypercharge gauge coupling g' of the Standard Model at a renormalisation scale.

    One-loop running, b = 41/6, from wilson's value at m_Z = 91.1876 GeV. The matching uses
    g'(M_X), because that is the scale at which the coefficients are defined.

    Parameters
    ----------
    scale : float or ndarray
        Renormalisation scale in GeV, positive.

    Returns
    -------
    float or ndarray
        g' (dimensionless); 0.3647 at 3 TeV.
    """
    e2 = 4 * np.pi * _ALPHA_E
    g2 = (2 * _M_W) ** 2 * np.sqrt(2) * _G_F
    inverse = 1 / e2 - 1 / g2 - 41 / 6 / (8 * np.pi**2) * np.log(scale / _M_Z)
    return inverse**-0.5 if np.ndim(scale) else float(inverse**-0.5)


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


# The 27 non-redundant components of two equal currents (qq1, uu, dd), footnote 6 of the paper.
_EQUAL = ("qq1", "uu", "dd")
_QUARTETS = (
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

# operator of the Higgs current and a fermion current, (2.24)-(2.28)
_HIGGS = (("phiq1", "q"), ("phil1", "l"), ("phie", "e"), ("phid", "d"), ("phiu", "u"))


def _matrices(couplings: np.ndarray) -> dict[str, dict[tuple[int, int], np.ndarray]]:
    """Couplings by field and pair of families, complex where they have an imaginary part."""
    value = dict(zip(COUPLINGS, couplings, strict=True))
    result: dict = {}
    for f in "qudle":
        own = {(i, i): value[f"{f}_{i + 1}{i + 1}"] for i in range(3)}
        for i, j in _UPPER if f in "qud" else ():
            real, imaginary = (value[f"{part} {f}_{i + 1}{j + 1}"] for part in ("Re", "Im"))
            own[i, j], own[j, i] = real, real
            if imaginary.any():
                own[i, j], own[j, i] = real + 1j * imaginary, real - 1j * imaginary
        result[f] = own
    return result


def _independent(first: str, second: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of families of two different currents; Hermitian conjugates are implied."""
    own = {f: [(i, j) for i, j in _FAMILIES if i == j or f in "qud"] for f in (first, second)}
    pairs = itertools.product(own[first], own[second])
    return [(a, b) for a, b in pairs if a[0] < a[1] or (a[0] == a[1] and b[0] <= b[1])]


def _name(operator: str, *families: tuple[int, int]) -> str:
    return operator + "_" + "".join(str(i + 1) for pair in families for i in pair)


def coefficients(couplings: np.ndarray, M_X: float | np.ndarray) -> dict[str, np.ndarray]:
    """SMEFT coefficients of a heavy vector, eqs (2.8)-(2.30), in GeV^-2 at mu = M_X.

    Parameters
    ----------
    couplings : ndarray, shape (34, n)
        `COUPLINGS`: of the current (2.6), which is J - epsilon j, to the mass eigenstates of
        down quarks and right-handed up quarks; dimensionless.
    M_X : float or ndarray, shape (n,)
        Mass of the X boson and matching scale, in GeV.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        The 371 names of the SMEFT, Warsaw basis (WCxf, non-redundant, down-aligned) that a vector
        can generate. Complex where couplings are.

    Notes
    -----
    ``ll``, ``ee``, ``uu``, ``dd`` carry the factor 2 - delta_ij of the text below (2.11); the
    components of ``qq1``, ``uu`` and ``dd`` are summed into their WCxf representative as below
    (2.13).
    """
    fields, higgs = _matrices(couplings), couplings[COUPLINGS.index("H")]
    norm = -1 / np.asarray(M_X, dtype=float) ** 2
    result = {}

    def add(name: str, factor: float, first: np.ndarray, second: np.ndarray) -> None:
        product = first * second
        result[name] = factor * norm * (product if np.any(np.imag(product)) else product.real)

    for f in "le":  # (2.8), (2.9)
        own = fields[f]
        for i, j in ((i, j) for i, j in _FAMILIES if i <= j):
            add(
                _name(f + f, (i, i), (j, j)),
                0.5 if i == j else 1.0,
                own[i, i],
                own[j, j],
            )
    for (
        operator
    ) in _EQUAL:  # (2.10)-(2.13): ijkl and klij are one, Hermitian conjugates are implied
        own = fields[operator[0]]
        for quartet in _QUARTETS:
            i, j, k, m = (int(index) - 1 for index in quartet)
            factor = 0.5 if (i, j) == (k, m) else 1.0
            add(f"{operator}_{quartet}", factor, own[i, j], own[k, m])
    for operator, first, second in _MIXED:  # (2.14)-(2.23)
        for a, b in _independent(first, second):
            add(_name(operator, a, b), 1.0, fields[first][a], fields[second][b])
    for operator, f in (
        ("phiq1", "q"),
        ("phil1", "l"),
        ("phie", "e"),
        ("phid", "d"),
        ("phiu", "u"),
    ):
        for (i, j), value in fields[f].items():  # (2.24)-(2.28)
            if i <= j:
                add(_name(operator, (i, j)), 1.0, higgs, value)
    add("phiBox", 0.5, higgs, higgs)  # (2.29)
    add("phiD", 2.0, higgs, higgs)  # (2.30)
    return result
