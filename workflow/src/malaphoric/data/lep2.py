r"""e+e- → l+l- at LEP2: tree-level predictions, the LEP data and their flavio objects.

Not here: the matching and running that give the coefficients at m_Z (`smeft`, wilson), and the χ²
(`likelihood`).

Every observable is the tree-level value with dimension-6 terms over the tree-level value of the
Standard Model, and is compared with data / (LEP's Standard Model prediction); radiative
corrections cancel in the first ratio to the accuracy at which the second one has them.

Notes
-----
Amplitudes, for chiralities X (electron), Y (lepton) and g the chiral Z couplings::

    N_XY(s) = e²/s + g_eX g_lY / (s − m_Z² + i m_Z Γ_Z) + c_XY
    S_XY(q²) = the same with q² for s, for Bhabha scattering

    σ = s/(48π) Σ|N_XY|²,   σ_F − σ_B = s/(64π) Σ|N_XY|² (2δ_XY − 1),   A_FB = (σ_F − σ_B)/σ
    dσ/dcosθ = 1/(32πs) [ Σ_{LL,RR} u²|S(s) + S(t)|² + Σ_{LR,RL} (t²|S(s)|² + s²|S(t)|²) ]

with t = −s(1 − cosθ)/2, u = −s(1 + cosθ)/2 and massless leptons. Everything but A_FB is quadratic
in the products g_eX g_lY and in c_XY, so one matrix product evaluates all of them for all points.

The formulas are not those of the code published with ref. [18] of the paper. That code sums one of
the four helicity combinations only, mixes up L and R, leaves the factor g_Z off δg, drops the
factors 2 of c_LL and c_RR in Bhabha scattering and has (u² + t²)/t² there where (u² + s²)/t² is
right. Hence it gives Δχ² ≈ −0.01 at both points of Table 4 (paper: 0.00 and −0.02); the formulas
above give −0.014 and, with g' of the matching taken at m_Z, −0.73 (−0.78 with g' at 3 TeV).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: Central values of flavio 2.7.1, under flavio's names (a flavio parameter dictionary can stand in
#: for this one): m_Z in GeV, tau_Z = 1/Γ_Z in GeV^-1, MS-bar s2w and alpha_e at m_Z, GF in GeV^-2.
SM_PARAMETERS = {
    "m_Z": 91.1876,
    "tau_Z": 1 / 2.4952,
    "s2w": 0.23121,
    "alpha_e": 0.00781549,
    "GF": 1.1663788e-5,
}

#: SMEFT coefficients (WCxf non-redundant Warsaw basis, μ = m_Z, GeV^-2) that enter: contact terms,
#: direct shifts of the Z couplings, and shifts of the input scheme {α, m_Z, G_F}.
COEFFICIENTS = (
    *("ll_1111", "ll_1122", "ll_1221", "ll_1133", "ll_1331"),
    *("ee_1111", "ee_1122", "ee_1133"),
    *("le_1111", "le_1122", "le_2211", "le_1133", "le_3311"),
    *("phil1_11", "phil1_22", "phil1_33"),
    *("phil3_11", "phil3_22", "phil3_33"),
    *("phie_11", "phie_22", "phie_33"),
    *("phiD", "phiWB"),
)

#: Scale of the coefficients in GeV, that of flavio's e+e- → W+W- and Z-pole observables.
SCALE = 91.1876

_GEV2_PB = 0.3893793721e9  # (ħc)² in GeV² pb

# Chiralities of the electron and of the lepton in LL, RR, LR, RL.
_ELECTRON, _LEPTON = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])

_LEPTONS = ("ee", "mumu", "tautau")  # the final states, by family

_SIGMA, _AFB, _BHABHA = "R_sigma(ee->{})", "R_AFB(ee->{})", "<R_dsigma/dcos>(ee->ee)"

# The integrands are analytic on a bin, with the photon pole at cosθ = 1 at least three half-widths
# from its centre: 16 nodes give LEP's bins to rounding.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)


# ---------------------------------------------------------------------------------------- the data


class DataGroup(NamedTuple):
    """Gaussian measurements with one common covariance matrix; dimensionless ratios to the SM."""

    observables: list[tuple]  #: n flavio observable tuples
    central: np.ndarray  #: shape (n,)
    covariance: np.ndarray  #: shape (n, n)


def _read(name: str) -> list[dict[str, str]]:
    with files(__package__).joinpath("lep2", name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


#: Files of the measurements.
DATA = sorted((Path(__file__).parent / "lep2").glob("*.csv"))

#: Names of the two measurements of `measurements`.
MEASUREMENTS = ("LEP2 sigma and A_FB, arXiv:1302.3415", "LEP2 Bhabha, arXiv:1302.3415")


@lru_cache(maxsize=1)
def _data() -> tuple[DataGroup, DataGroup]:
    rows = _read("sigma_afb.csv")
    templates = {"sigma": _SIGMA, "AFB": _AFB}
    observables: list[tuple] = []
    for row in rows:
        quantity, lepton = row["observable"].split("_")
        observables.append((templates[quantity].format(lepton), float(row["E_used"])))
    sm = np.array([float(row["SM"]) for row in rows])
    central = np.array([float(row["value"]) for row in rows]) / sm
    errors = np.array([float(row["total"]) for row in rows]) / sm
    sigma_afb = DataGroup(observables, central, np.diag(errors**2))

    rows = _read("bhabha.csv")
    observables = [
        (_BHABHA, float(row["E_used"]), float(row["cthmin"]), float(row["cthmax"])) for row in rows
    ]
    sm = np.array([float(row["SM"]) for row in rows])
    central = np.array([float(row["dsigma_dcos_pb"]) for row in rows]) / sm
    errors = np.array([float(row["err_total"]) for row in rows]) / sm
    with files(__package__).joinpath("lep2", "bhabha_correlation.csv").open() as file:
        correlation = np.loadtxt(file, delimiter=",")
    return sigma_afb, DataGroup(observables, central, correlation * np.outer(errors, errors))


def measurements(selection: str = "paper") -> list[DataGroup]:
    """LEP2 data over the LEP Standard Model predictions.

    Parameters
    ----------
    selection : {"paper", "full"}
        ``paper``: the 148 entries behind the paper's Table 1, that is all but σ and A_FB at
        130.3 GeV and σ(ττ) at 206.5 GeV; ``full``: all 153.

    Returns
    -------
    list of DataGroup
        σ and A_FB, uncorrelated (43 or 48 entries), and Bhabha bins with their correlations (105).

    Raises
    ------
    ValueError
        If the selection is unknown.

    Notes
    -----
    Source: arXiv:1302.3415; ``data/lep2/README.md`` says what was checked.
    """
    if selection not in ("paper", "full"):
        raise ValueError(f"unknown selection of LEP2 data {selection!r}: use 'paper' or 'full'")
    groups = [DataGroup(list(o), c.copy(), v.copy()) for o, c, v in _data()]
    if selection == "paper":
        o, c, v = groups[0]
        keep = [i for i, x in enumerate(o) if x[1] != 130.3 and x != ("R_sigma(ee->tautau)", 206.5)]
        groups[0] = DataGroup([o[i] for i in keep], c[keep], v[np.ix_(keep, keep)])
    return groups


#: All 153 observables as flavio tuples, in the order of `predictions` and `measurements("full")`:
#: ``("R_sigma(ee->mumu)", E)``, ``("R_AFB(ee->mumu)", E)``, the same for ``tautau``, and
#: ``("<R_dsigma/dcos>(ee->ee)", E, cthmin, cthmax)``; E = √s in GeV.
OBSERVABLES: tuple[tuple, ...] = tuple(o for group in _data() for o in group.observables)


# ------------------------------------------------------------------------------------- the physics


def coupling_shifts(
    coefficients: Mapping[str, np.ndarray], par: Mapping[str, float] = SM_PARAMETERS
) -> np.ndarray:
    """Shifts of the chiral Z couplings of the charged leptons, in units of g_Z = e/(s_w c_w).

    Parameters
    ----------
    coefficients : mapping of str to array_like, shape (n,) or scalar
        Warsaw coefficients at m_Z in GeV^-2; those absent are zero, others than `COEFFICIENTS` are
        ignored. Real parts are used: the operators are Hermitian, what is imaginary is rounding.
    par : mapping
        Standard Model parameters, see `SM_PARAMETERS`.

    Returns
    -------
    ndarray, shape (3, 2, n)
        δg of (e, μ, τ) and (L, R); g_L = g_V + g_A, g_R = g_V − g_A with the δg_V, δg_A of
        `flavio.physics.zdecays.smeftew`.

    Notes
    -----
    Source: arXiv:1706.08945, appendix A.1, in the input scheme {α, m_Z, G_F}.
    """
    named = dict(zip(COEFFICIENTS, _array(coefficients), strict=True))
    return _coupling_shifts(named, par)


def _coupling_shifts(c: Mapping[str, np.ndarray], par: Mapping[str, float]) -> np.ndarray:
    # Tree-level weak mixing angle of the input scheme.
    v2 = 1 / (np.sqrt(2) * par["GF"])
    sin_2theta = np.sqrt(4 * np.pi * par["alpha_e"] * v2) / par["m_Z"]
    cos_2theta = np.sqrt(1 - sin_2theta**2)
    # ΔG_F, Δm_Z² and W3-B mixing shift the overall strength and s_w²; in the strength, what phiWB
    # does directly and through Δm_Z² cancels.
    d_gf = c["phil3_11"] + c["phil3_22"] - c["ll_1221"] / 2
    d_strength = -v2 / 2 * (d_gf + c["phiD"] / 2)
    d_s2_bracket = sin_2theta * (c["phiD"] + 2 * d_gf) + 4 * c["phiWB"]
    d_s2 = v2 / 8 * sin_2theta / cos_2theta * d_s2_bracket
    s2_eff = 1.0010 * par["s2w"]  # effective leptonic angle, as in flavio
    common = np.array([(s2_eff - 0.5) * d_strength + d_s2, s2_eff * d_strength + d_s2])
    direct = np.array(
        [(c[f"phil1_{i}{i}"] + c[f"phil3_{i}{i}"], c[f"phie_{i}{i}"]) for i in (1, 2, 3)]
    )
    return common - v2 / 2 * direct


def tree_level(
    coefficients: Mapping[str, np.ndarray] | np.ndarray,
    par: Mapping[str, float] = SM_PARAMETERS,
    observables: Sequence[tuple] = OBSERVABLES,
) -> np.ndarray:
    """Tree-level cross sections and asymmetries behind the observables.

    Parameters
    ----------
    coefficients, par
        As in `coupling_shifts`, or all real `COEFFICIENTS` as an array of shape (k, n); no
        coefficients give the Standard Model, with n = 1.
    observables : sequence of tuple
        What to compute, by the names of `OBSERVABLES` at any energy and bin.

    Returns
    -------
    ndarray, shape (n, len(observables))
        σ in pb, A_FB (dimensionless), dσ/dcosθ averaged over the bin in pb.

    Raises
    ------
    ValueError
        If an observable is none of LEP2's.
    """
    return _tree_level(tuple(observables), *_values(par))(_array(coefficients)).T


def predictions(
    coefficients: Mapping[str, np.ndarray] | np.ndarray,
    par: Mapping[str, float] = SM_PARAMETERS,
    observables: Sequence[tuple] = OBSERVABLES,
) -> np.ndarray:
    """Observables: tree level with dimension-6 terms over the tree-level Standard Model.

    Parameters
    ----------
    coefficients, par, observables
        As in `tree_level`.

    Returns
    -------
    ndarray, shape (n, len(observables))
        Dimensionless ratios, 1 in the Standard Model.

    Raises
    ------
    ValueError
        If an observable is none of LEP2's.
    """
    return ratios(par, observables)(_array(coefficients)).T


def ratios(
    par: Mapping[str, float] = SM_PARAMETERS, observables: Sequence[tuple] = OBSERVABLES
) -> Forms:
    """The `predictions`, to be evaluated often."""
    return _ratios(tuple(observables), *_values(par))


class _Family(NamedTuple):
    """Observables of a final state as linear forms in its 24 features (monomial × helicity)."""

    number: int
    columns: np.ndarray
    weights: np.ndarray  #: shape (m, 24)
    asymmetries: np.ndarray  #: positions among the columns
    totals: np.ndarray  #: their denominators, shape (k, 24)
    divisor: np.ndarray  #: of the values, shape (m, 1)


class Forms(NamedTuple):
    """Observables as functions of `COEFFICIENTS`, see the module's notes.

    Attributes
    ----------
    amplitudes : ndarray, shape (18, k)
        Shifts of couplings, and contact terms, which are linear in the coefficients.
    couplings : ndarray, shape (2, 1)
        Those of the Standard Model.
    unit : float
        Square of their unit g_Z.
    families : list
        Of the final states that are asked for.
    """

    amplitudes: np.ndarray
    couplings: np.ndarray
    unit: float
    families: list[_Family]

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """Observables (n_observables, n) at coefficients (k, n) in GeV^-2."""
        linear = self.amplitudes @ coefficients
        n = linear.shape[1]
        g = linear[:6].reshape(3, 2, n) + self.couplings
        features = np.empty((3, 6, 4, n))  # 1, z, x, z², zx, x²
        features[:, 0] = 1
        features[:, 2] = linear[6:].reshape(3, 4, n)
        z, x = features[:, 1], features[:, 2]
        np.multiply(g[0, _ELECTRON] * self.unit, g[:, _LEPTON], out=z)
        np.multiply(features[:, 1:3], z[:, np.newaxis], out=features[:, 3:5])
        np.multiply(x, x, out=features[:, 5])
        result = np.empty((sum(len(own.columns) for own in self.families), n))
        for own in self.families:
            of_family = features[own.number].reshape(24, n)
            values = own.weights @ of_family
            if own.asymmetries.size:
                values[own.asymmetries] /= own.totals @ of_family
            values /= own.divisor
            result[own.columns] = values
        return result


def _values(par: Mapping[str, float]) -> tuple[float, ...]:
    """The `SM_PARAMETERS` that are given, in their order."""
    return tuple(float(par[name]) for name in SM_PARAMETERS)


@lru_cache(maxsize=1024)
def _tree_level(observables: tuple[tuple, ...], *values: float) -> Forms:
    par = dict(zip(SM_PARAMETERS, values, strict=True))
    unit = dict(zip(COEFFICIENTS, np.eye(len(COEFFICIENTS)), strict=True))
    shifts, contact = _coupling_shifts(unit, par), _contact_terms(unit)
    return Forms(
        amplitudes=np.concatenate([shifts.reshape(6, -1), contact.reshape(12, -1)]),
        couplings=np.array([[par["s2w"] - 0.5], [par["s2w"]]]),
        unit=4 * np.pi * par["alpha_e"] / (par["s2w"] * (1 - par["s2w"])),
        families=_families(observables, par["m_Z"], par["tau_Z"], par["alpha_e"]),
    )


@lru_cache(maxsize=1024)
def _ratios(observables: tuple[tuple, ...], *values: float) -> Forms:
    forms = _tree_level(observables, *values)
    sm = forms(np.zeros((len(COEFFICIENTS), 1)))
    relative = [own._replace(divisor=sm[own.columns]) for own in forms.families]
    return forms._replace(families=relative)


def _array(coefficients: Mapping[str, np.ndarray] | np.ndarray) -> np.ndarray:
    """Real parts of `COEFFICIENTS`, shape (k, n)."""
    if isinstance(coefficients, np.ndarray):  # which are all, and real
        return coefficients
    given = {name: np.real(coefficients[name]) for name in COEFFICIENTS if name in coefficients}
    result = np.zeros((len(COEFFICIENTS), max(map(np.size, given.values()), default=1)))
    for row, name in zip(result, COEFFICIENTS, strict=True):
        row[:] = given.get(name, 0.0)
    return result


def _contact_terms(c: Mapping[str, np.ndarray]) -> np.ndarray:
    """c_XY in GeV^-2 for (ee, μμ, ττ) and XY = (LL, RR, LR, RL), shape (3, 4, n)."""
    # The 2 of ee is (LL)(LL) = ½ κ J² ⇒ κ = 2C; ll_1ii1 is the Fierz twin of ll_11ii.
    ee = [2 * c["ll_1111"], 2 * c["ee_1111"], c["le_1111"], c["le_1111"]]
    others = [
        [c[f"ll_11{i}{i}"] + c[f"ll_1{i}{i}1"], c[f"ee_11{i}{i}"], c[f"le_11{i}{i}"],
         c[f"le_{i}{i}11"]]
        for i in (2, 3)
    ]  # fmt: skip
    return np.array([ee, *others])


def _square(a: np.ndarray, b: np.ndarray, d: float) -> np.ndarray:
    """Coefficients of (1, z, x, z², zx, x²) in |a + b z + d x|², shape (6, *a.shape)."""
    one = np.ones_like(a.real)
    return np.array(
        [
            abs(a) ** 2,
            2 * (a * b.conj()).real,
            2 * (a * d).real,
            abs(b) ** 2,
            2 * (b * d).real,
            d**2 * one,
        ]
    )


def _families(
    observables: tuple[tuple, ...], m_z: float, tau_z: float, alpha: float
) -> list[_Family]:
    """Observables as linear forms; cross sections in pb."""
    e2 = 4 * np.pi * alpha

    def propagators(q2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return e2 / q2, 1 / (q2 - m_z**2 + 1j * m_z / tau_z)

    def sigma(energy: float, signs: Sequence[float]) -> np.ndarray:
        s = np.array(energy) ** 2
        return np.outer(_square(*propagators(s), 1), signs) * s / (48 * np.pi)

    def bhabha(energy: float, low: float, high: float) -> np.ndarray:
        s = np.array(energy) ** 2
        cos = (low + high) / 2 + (high - low) / 2 * _NODES
        t, u = -s * (1 - cos) / 2, -s * (1 + cos) / 2
        (a_s, b_s), (a_t, b_t) = propagators(s), propagators(t)
        same = _square(a_s + a_t, b_s + b_t, 2) * u**2
        opposite = _square(a_s, b_s, 1)[:, np.newaxis] * t**2 + _square(a_t, b_t, 1) * s**2
        # The nodes' weights sum to 2: half of them average over the bin.
        average = np.array([same, same, opposite, opposite]) @ _NODE_WEIGHTS / 2
        return average.T / (32 * np.pi * s)

    total, difference = (1, 1, 1, 1), (0.75, 0.75, -0.75, -0.75)
    blocks = []
    for family, lepton in enumerate(_LEPTONS):
        names = [_BHABHA] if lepton == "ee" else [_SIGMA.format(lepton), _AFB.format(lepton)]
        columns = [i for i, o in enumerate(observables) if o[0] in names]
        forms, asymmetries, totals = [], [], []
        for position, (name, energy, *ends) in enumerate(observables[i] for i in columns):
            if name == _BHABHA:
                forms.append(bhabha(energy, *ends))
            elif name == _SIGMA.format(lepton):
                forms.append(sigma(energy, total))
            else:
                forms.append(sigma(energy, difference))
                asymmetries.append(position)
                totals.append(sigma(energy, total))
        if columns:
            as_matrix = [_GEV2_PB * np.reshape(x, (-1, 24)) for x in (forms, totals)]
            where = np.array(columns), np.array(asymmetries, dtype=int)
            one = np.ones((len(columns), 1))
            blocks.append(_Family(family, where[0], as_matrix[0], where[1], as_matrix[1], one))
    if unknown := set(range(len(observables))).difference(*(own.columns for own in blocks)):
        raise ValueError(f"not LEP2 observables: {[observables[i] for i in sorted(unknown)]}")
    return blocks


# ------------------------------------------------------------------------------------------ flavio


def register() -> list[str]:
    """Make the observables, predictions and measurements known to flavio, and so to smelli.

    All 153 entries are registered; a likelihood picks what it wants by listing observables (those
    of ``measurements("paper")``). Calling it again changes nothing.

    Returns
    -------
    list of str
        Names of the flavio measurements.
    """
    # Imported here because flavio takes seconds, which the bulk evaluation must not pay.
    import flavio
    from flavio.statistics.probability import MultivariateNormalDistribution, NormalDistribution

    names = ["LEP2 ee->ll", "LEP2 ee->ee"]
    if set(names) <= set(flavio.Measurement.instances):
        return names

    def prediction(wc_obj, par: Mapping[str, float], *arguments: float, name: str) -> float:
        flavio.citations.register("Brivio:2017vri")  # as flavio does where it shifts Z couplings
        wc = wc_obj.get_wcxf(sector="all", scale=SCALE, par=par, eft="SMEFT", basis="Warsaw")
        return float(predictions(wc.dict, par, [(name, *arguments)])[0, 0])

    def observable(name: str, arguments: list[str], what: str, symbol: str, process: str) -> None:
        obs = flavio.Observable(name, arguments=arguments)
        obs.set_description(f"{what} of ${process}$ normalized to the SM")
        obs.tex = rf"${symbol}({process})$"
        obs.add_taxonomy(
            rf"Process :: $e^+e^-$ scattering :: $e^+e^-\to \ell^+\ell^-$ :: ${process}$"
        )
        flavio.classes.Prediction(name, partial(prediction, name=name))

    for lepton, tex in (("mumu", r"\mu^+\mu^-"), ("tautau", r"\tau^+\tau^-")):
        process = r"e^+e^- \to " + tex
        observable(
            _SIGMA.format(lepton), ["E"], "Cross section at energy $E$", r"R_\sigma", process
        )
        what = "Forward-backward asymmetry at energy $E$"
        observable(_AFB.format(lepton), ["E"], what, r"R_{A_\mathrm{FB}}", process)
    observable(
        _BHABHA,
        ["E", "cthmin", "cthmax"],
        r"Differential cross section at energy $E$ binned in $\cos\theta$",
        r"\left\langle R_{d\sigma/d\cos\theta}\right\rangle",
        r"e^+e^- \to e^+e^-",
    )

    sigma_afb, bhabha = measurements("full")
    descriptions = ("cross sections, asymmetries; no correlations known", "Bhabha scattering")
    for name, description in zip(names, descriptions, strict=True):
        measurement = flavio.Measurement(name)
        measurement.experiment = "LEP"
        measurement.inspire = "Schael:2013ita"
        measurement.set_description(f"LEP combination over the LEP SM prediction: {description}")
    for obs, central, error in zip(
        sigma_afb.observables, sigma_afb.central, np.diag(sigma_afb.covariance) ** 0.5, strict=True
    ):
        flavio.Measurement[names[0]].add_constraint([obs], NormalDistribution(central, error))
    flavio.Measurement[names[1]].add_constraint(
        bhabha.observables, MultivariateNormalDistribution(bhabha.central, bhabha.covariance)
    )
    return names
