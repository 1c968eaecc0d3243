"""The compiled engine: predictions of all observables from tables, microseconds per point.

Here lives the evaluation in plain numpy, without flavio, smelli or wilson; the tables and a model's
running map are made in `compiling`, which also says what physics makes the forms below exact.

A point is evaluated in four steps: couplings → monomials (`basis`); monomials → CKM elements, by
smelli's own iteration; (monomials, δ) → Wilson coefficients at the *ports* where flavio reads them,
linear; and coefficients and CKM elements → observables, by bilinear forms and expansions to first
or second order.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from malaphoric import store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import categories, lep2
from malaphoric.engines.basis import NOT_INSIDE, Basis, inside, nodes, weights
from malaphoric.engines.protocol import CKM, CKM_FAILURE, NOT_FINITE, Evaluation

#: Root attributes of the table's file; the format changes when this module reads it differently.
CONTENT, FORMAT = "malaphoric compiled table", 3

_PACKAGED = files("malaphoric.data").joinpath("compiled.h5")

#: The table of the additional observables that come with the package.
EXTRA = Path(__file__).parents[1] / "data" / "extra_table.h5"

LEPTONS = ("e", "mu", "tau")

#: b → q l l coefficients (flavio basis) that enter the bilinear forms, for each lepton.
COEFFICIENTS = ("C9", "C10", "C9p", "C10p")

#: Those that arise by running only and are small: their first order is enough, see `small`.
_DIPOLES, _SCALARS = ("C7", "C8", "C7p", "C8p"), ("CS", "CP", "CSp", "CPp")

#: Sectors of b → q l l and b → q γ.
B_TO_Q = ("sb", "db")

#: Sector of D mixing, whose coefficients depend on V_cb and V_ub.
D_MIXING = "cucu"

#: Number of δ nodes of coefficients and slopes, and of the Standard Model values.
N_DELTA, N_DELTA_BASE = 12, 24

# What is left out, relative to the largest: Chebyshev coefficients in δ, singular values of what
# is linear or quadratic in monomials. Less is enough where the whole is a small correction.
_TAIL, _TAIL_SMALL = 1e-7, 1e-4

# Singular values of the matrices that are left: much less, as a share of what was left out already.
_RANK = 1e-2

# Terms of a bilinear form that are rounding of its fit, relative to the largest: of the amplitudes
# that an observable does not depend on, fits find up to 7e-6.
_ROUNDING = 1e-5

#: smelli iterates the CKM extraction this often; ours stops where it has settled (relative change:
#: the next is some 300 times smaller).
_CKM_ITERATIONS, _CKM_SETTLED = 10, 1e-6

# Singular values of what is quadratic in monomials that count, relative to the largest; of the
# second order of the running of b → q, a correction of 1e-4, fewer.
_SECOND_ORDER, _QUADRATIC = 3e-3, 1e-6

# Every coordinate of what stands in for points that are none: its CKM extraction fails at once.
_FAR_AWAY = 1000.0

# Rows of a quadratic form that are multiplied at a time.
_ROWS = 3

# Numbers that stay in the cache of a core (1 MB).
_IN_CACHE = 2**16

# Observables of meson mixing that smelli has beside those of the expansions.
_MIXING = ("DeltaM_s", "S_psiphi", "S_psiK")

# Size of λ_t: makes the constant in the bilinear forms like the other factors.
_LAMBDA = 0.04

_N_AMPLITUDES = 3 + len(COEFFICIENTS)

#: Number of monomials of a bilinear form, see `forms_of`: without and with meson mixing.
N_FORMS = _N_AMPLITUDES**2
N_FORMS_MIXING = N_FORMS + _N_AMPLITUDES * (_N_AMPLITUDES + 1)


class Port(NamedTuple):
    """Where flavio reads Wilson coefficients: scale in GeV, EFT, basis and sector."""

    scale: float
    eft: str
    basis: str
    sector: str

    @property
    def label(self) -> str:
        """Name of the port in files."""
        return f"{self.scale!r} {self.eft} {self.basis} {self.sector}"

    @classmethod
    def parse(cls, label: str) -> Port:
        """The inverse of `label`."""
        scale, *rest = label.split(" ")
        return cls(float(scale), *rest)


#: Where the LEP2 amplitudes read their coefficients, and the running's first step ends.
AT_MZ = Port(lep2.SCALE, "SMEFT", "Warsaw", "all")


# --------------------------------------------------------------------------------------- functions


def small(sector: str) -> list[str]:
    """Dipole and scalar coefficients of a b → q sector."""
    q = sector[0]
    scalars = [f"{c}_b{q}{lep}{lep}" for c in _SCALARS for lep in LEPTONS]
    return [f"{c}_b{q}" for c in _DIPOLES] + scalars


def chebyshev_nodes(n: int) -> np.ndarray:
    """Chebyshev nodes of δ in (0, π/2), shape (n,)."""
    return np.pi / 4 * (1 + np.cos((np.arange(n) + 0.5) * np.pi / n))


def chebyshev(delta: np.ndarray, n: int) -> np.ndarray:
    """Chebyshev polynomials of |δ| on [0, π/2], shape (n, len(delta))."""
    x = 4 / np.pi * abs(delta) - 1
    result = np.empty((n, delta.size))
    result[0] = 1
    result[1:2] = x
    known = 1
    while known < n - 1:  # T_(m+k) = 2 T_m T_k - T_(m-k)
        k = min(known, n - 1 - known)
        new = result[known + 1 : known + k + 1]
        np.multiply(2 * result[known], result[1 : k + 1], out=new)
        new -= result[known - k : known][::-1]
        known += k
    return result


def chebyshev_coefficients(values: np.ndarray) -> np.ndarray:
    """Expansion coefficients of values at `chebyshev_nodes` along the first axis."""
    n = len(values)
    basis = chebyshev(chebyshev_nodes(n), n) * (2 / n)
    basis[0] /= 2
    return np.tensordot(basis, values, axes=1)


def ckm_delta(ckm: np.ndarray) -> np.ndarray:
    """CKM phase δ of the standard parametrisation, as ckmutil has it.

    Parameters
    ----------
    ckm : ndarray, shape (n, 4)
        Vus, Vcb, Vub and gamma (rad, in [0, π]).

    Returns
    -------
    ndarray, shape (n,)
        In (-π/2, π/2): ckmutil's ``gamma_to_delta`` takes an arctan, so that its δ is off by π
        where γ exceeds π/2 (minus 10⁻³). smelli, flavio and wilson inherit that, and the iteration
        of the CKM extraction goes astray there; what they do is what we reproduce. (In b3-l2, one
        finite point in a thousand; nearly all have Δχ² > 500.) Tables need δ > 0 only: δ → -δ
        conjugates the CKM matrix, and with it all coefficients.
    """
    return _Tree.of(ckm.T).delta


def gamma_of_delta(delta: float, ckm: np.ndarray) -> float:
    """The γ from which flavio and wilson make a CKM phase δ.

    Parameters
    ----------
    delta : float
        In (0, π/2).
    ckm : ndarray, shape (4,)
        Vus, Vcb, Vub; gamma is ignored.
    """
    vus, vcb, s13 = ckm[:3]
    c13_2 = 1 - s13**2
    k = s13 * vcb / np.sqrt(c13_2 - vcb**2) * np.sqrt(c13_2 - vus**2) / vus
    return float(delta - np.angle(1 + k * np.exp(1j * delta)))


def gamma_nodes(ckm: np.ndarray, n: int) -> list[float]:
    """The γ of `gamma_of_delta` at `chebyshev_nodes` of δ."""
    return [gamma_of_delta(delta, ckm) for delta in chebyshev_nodes(n)]


class Factors(NamedTuple):
    """CKM factors of b → s (row 0) and b → d (row 1), shape (2, n) each.

    Attributes
    ----------
    top, up : ndarray
        λ_t = V_tb V_tq*, λ_u = V_ub V_uq*.
    """

    top: np.ndarray
    up: np.ndarray

    @property
    def charm(self) -> np.ndarray:
        """λ_c = V_cb V_cq*: the three add up to zero."""
        return -(self.top + self.up)


#: Rows of `Factors`.
QUARKS = ("s", "d")


class _Tree(NamedTuple):
    """What CKM elements make of b → s and b → d but for phases: the parametrisation of ckmutil.

    V_tb V_tq* = real - c23² mixed exp(-iδ), V_ub V_uq* = mixed exp(-iδ).
    """

    real: np.ndarray  #: shape (2, n)
    mixed: np.ndarray  #: shape (2, n)
    c23_2: np.ndarray  #: cos² θ23, shape (n,)
    of_gamma: tuple[np.ndarray, np.ndarray]  #: sine and cosine of γ
    of_delta: tuple[np.ndarray, np.ndarray]  #: those of δ, both times the same number

    @classmethod
    def of(cls, ckm: np.ndarray) -> _Tree:
        """Of Vus, Vcb, Vub and gamma in [0, π], shape (4, n)."""
        s13, gamma = ckm[2], ckm[3]
        c13 = np.sqrt(1 - s13 * s13)
        s12, s23 = s = ckm[:2] / c13
        c12, c23 = c = np.sqrt(1 - s * s)
        sine, cosine = np.sin(gamma), np.cos(gamma)
        tan_12, tan_23 = s / c
        k = s13 * tan_23 / tan_12
        k_sine = k * sine
        return cls(
            real=np.array([-c12, s12]) * (c13 * c23 * s23),
            mixed=np.array([s12, c12]) * (c13 * s13),
            c23_2=c23 * c23,
            of_gamma=(sine, cosine),
            of_delta=(sine - k * k_sine, cosine - k * np.sqrt(1 - k_sine * k_sine)),
        )

    @property
    def delta(self) -> np.ndarray:
        """The phase δ, see `ckm_delta`."""
        sine, cosine = self.of_delta
        return np.arctan(sine / cosine)

    def factors(self, sine: np.ndarray, cosine: np.ndarray) -> Factors:
        """With a phase in (-π/2, π/2), whose sine and cosine are these times the same number."""
        phase = cosine - 1j * sine
        phase /= np.copysign(abs(phase), cosine)
        up = self.mixed * phase
        return Factors(top=self.real - self.c23_2 * up, up=up)

    @property
    def mixing_ratio(self) -> np.ndarray:
        """|V_tb V_td|² / |V_tb V_ts|² as smelli's ``ckm_fac`` has it: with γ for δ."""
        sine, cosine = self.of_gamma
        mixed = self.c23_2 * self.mixed
        s, d = (self.real - cosine * mixed) ** 2 + (sine * mixed) ** 2
        return d / s


def ckm_factors(ckm: np.ndarray, delta: np.ndarray) -> Factors:
    """CKM factors of b → s and b → d.

    Parameters
    ----------
    ckm : ndarray, shape (n, 4)
        Vus, Vcb, Vub and gamma (rad).
    delta : ndarray, shape (n,)
        CKM phase in (-π/2, π/2): `ckm_delta`.
    """
    return _Tree.of(ckm.T).factors(np.sin(delta), np.cos(delta))


def decay_factors(ckm: np.ndarray) -> dict[str, Factors]:
    """`ckm_factors` as decays see them, by phase of their forms (see `mixing_phases`).

    Leptonic decays ("ckm") are not averaged with their CP conjugates, all others are: flavio
    conjugates CP by γ → -γ, and ckmutil's δ is not odd in γ, by 10⁻³. The mean of δ(γ) and -δ(-γ)
    is γ (up to 10⁻⁶), in (-π/2, π/2) like δ.
    """
    return _decay_factors(_Tree.of(ckm.T))


def _decay_factors(tree: _Tree) -> dict[str, Factors]:
    mean = tree.factors(*tree.of_gamma)
    return {"none": mean, "mixing": mean, "q/p": mean, "ckm": tree.factors(*tree.of_delta)}


def form_labels(amplitudes: Iterable[int], mixing: bool) -> list[tuple]:
    """What `forms_of` makes of amplitudes (by number), in its order."""
    numbers = list(amplitudes)
    direct = [("*", i, j) for i, j in itertools.combinations(numbers, 2)]
    pairs = itertools.combinations_with_replacement(numbers, 2)
    conjugate = [("mixing", i, j) for i, j in pairs] if mixing else []
    parts = [(part, *pair) for part in ("re", "im") for pair in direct + conjugate]
    return [("size", i) for i in numbers] + parts


def forms_of(
    top: np.ndarray,
    up: np.ndarray,
    c: np.ndarray,
    phase: np.ndarray | None = None,
    amplitudes: Sequence[int] = range(_N_AMPLITUDES),
) -> np.ndarray:
    """Monomials of the bilinear forms of b → q transitions with one lepton.

    Parameters
    ----------
    top, up : ndarray, shape (..., n)
        λ_t and λ_u of `decay_factors`.
    c : ndarray, shape (4, ..., n), complex
        λ_t times `COEFFICIENTS`.
    phase : ndarray, shape (n,), optional
        One of `mixing_phases`, for observables with meson mixing.
    amplitudes : sequence of int, optional
        Which of the amplitudes z are used (default: all).

    Returns
    -------
    ndarray, shape (`N_FORMS` or `N_FORMS_MIXING`, ..., n)
        Real and imaginary parts of z_i* z_j, and of phase (z_i z_j)*: products of amplitudes with
        their conjugates, and with those of the CP conjugate decay. z = (constant, λ_t, λ_u, c); the
        constant is there because flavio interpolates the spectator scattering of QCD factorisation
        in tables made at fixed CKM elements.
    """
    every = (_LAMBDA, top, up, *c)
    z = np.empty((len(amplitudes), *top.shape), dtype=complex)
    for row, number in enumerate(amplitudes):
        z[row] = every[number]
    k = len(z)
    conjugate = z.conj()
    number = k * (k - 1) // 2 + (k * (k + 1) // 2 if phase is not None else 0)
    products = np.empty((number, *top.shape), dtype=complex)
    row = 0
    for i in range(k - 1):
        np.multiply(conjugate[i], z[i + 1 :], out=products[row : row + k - 1 - i])
        row += k - 1 - i
    if phase is not None:
        turned = phase * conjugate
        for i in range(k):
            np.multiply(turned[i], conjugate[i:], out=products[row : row + k - i])
            row += k - i
    result = np.empty((k + 2 * number, *top.shape))
    np.multiply(z.real, z.real, out=result[:k])
    result[:k] += z.imag**2
    result[k : k + number] = products.real
    result[k + number :] = products.imag
    return result


def mixing_phases(top: np.ndarray, qp: np.ndarray) -> dict[str, np.ndarray]:
    """Phases between the amplitudes of B_s and conjugate decays, see `forms_of`.

    Parameters
    ----------
    top, qp : ndarray, shape (n,)
        λ_t of b → s, and q/p of the B_s.

    Returns
    -------
    dict
        "ckm": squared phase of λ_t (B_s → l l); "mixing": phase of -q/p (B_s → V l l); "q/p":
        conjugate of -q/p (B_s → φ γ), as flavio has them.
    """
    return {"ckm": (top / abs(top)) ** 2, "mixing": -qp / abs(qp), "q/p": -np.conj(qp)}


@contextlib.contextmanager
def _open_table(path: str | Path) -> Iterator[h5py.File]:
    """A table's file, if it is one that this module reads, of the installed versions."""
    with store.read(path) as file:
        store.check_packaged(file, str(path), CONTENT, FORMAT)
        yield file


def check_table() -> None:
    """Refuse the table that comes with the package as `Table.load` would, in milliseconds.

    Raises
    ------
    malaphoric.store.StoreError
        If the table was made with other versions of smelli, flavio or wilson than installed, or
        for another version of this module, or is damaged or missing.
    """
    with as_file(_PACKAGED) as path, _open_table(path):
        pass


def read_tree(group: h5py.Group) -> dict:
    """All data sets below a group, by path; texts as str."""
    result = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            value = item[()]
            result[name] = value.tobytes().decode() if item.attrs.get("text") else value

    group.visititems(visit)
    return result


# ------------------------------------------------------------------------------------------ tables


@dataclass
class Table:
    """Model-independent tables, as made by `compiling.assemble`.

    Attributes
    ----------
    observables : list
        flavio observables, the columns of the predictions.
    sm : ndarray, shape (n_observables,)
        Predictions of the Standard Model by smelli.
    parts : dict of str to dict
        Arrays of each of `compiling.PARTS`.
    digest : str
        Digest of the file, for provenance.
    """

    observables: list
    sm: np.ndarray
    parts: dict[str, dict]
    digest: str

    @classmethod
    def load(cls, path: str | Path | None = None) -> Table:
        """Read a table (default: the one that comes with the package).

        Raises
        ------
        malaphoric.store.StoreError
            If the table was made with other versions of smelli, flavio or wilson than installed,
            or for another version of this module, or is damaged.
        """
        if path is None:
            check_table()
            return _packaged()
        with _open_table(path) as file:
            return cls(
                observables=categories.parse_observables(file.attrs["observables"]),
                sm=file["sm"][:],
                parts={name: read_tree(g) for name, g in file.items() if name != "sm"},
                digest=store.file_digest(path),
            )

    @property
    def ckm_sm(self) -> np.ndarray:
        """Vus, Vcb, Vub and gamma that smelli extracts in the Standard Model."""
        return self.parts["ckm"]["sm"]

    def b2q(self) -> list[dict]:
        """The parts with bilinear forms."""
        return [part for name, part in sorted(self.parts.items()) if name.startswith("b2q")]

    def slopes(self, part: str) -> dict[Port, str]:
        """Ports of a part's slopes and their paths."""
        return {
            Port.parse(name.split("/")[1]): name.rsplit("/", 1)[0]
            for name in self.parts[part]
            if name.startswith("ports/") and name.endswith("/slopes")
        }

    def ports(self) -> dict[Port, list[str]]:
        """Coefficients needed at each port."""
        names: dict[Port, set[str]] = {}
        for part in self.b2q():
            for *port, _, _, _ in json.loads(part["labels"]):
                sector = port[3]
                names.setdefault(Port(*port), set()).update(
                    f"{c}_b{sector[0]}{lep}{lep}" for c in COEFFICIENTS for lep in LEPTONS
                )
        for name, part in self.parts.items():
            for port, path in self.slopes(name).items():
                names.setdefault(port, set()).update(json.loads(part[f"{path}/names"]))
        for meson in ("Bs", "B0"):
            port = Port(*json.loads(self.parts["ckm"][f"mixing/{meson}/port"]))
            names.setdefault(port, set()).update(
                json.loads(self.parts["ckm"][f"mixing/{meson}/names"])
            )
        if ew := self.parts.get("electroweak"):
            names.setdefault(Port(*json.loads(ew["port"])), set()).update(json.loads(ew["names"]))
        return {port: sorted(names[port]) for port in sorted(names)}


@cache
def _packaged() -> Table:
    with as_file(_PACKAGED) as path:
        return Table.load(path)


@dataclass
class Running:
    """Running map of a model: coefficients at every port, linear in its monomials.

    Attributes
    ----------
    basis : Basis
        The model, its mass and its monomials.
    smeft_accuracy : str
        wilson's option.
    versions : dict
        Versions of smelli, flavio and wilson it was made with.
    table : str
        Digest of the table whose ports it serves.
    names : dict of Port to list of str
        Coefficients at each port.
    values : dict of Port to ndarray, shape (N_DELTA, n_masses * n_monomials, n_names), complex
        Coefficients of unit monomials at `chebyshev_nodes` of δ; Vus, Vcb, Vub of the SM.
    second : dict of Port to ndarray, shape (n_masses * n_pairs, n_names), complex
        For the b → q ports: coefficients of the products of two monomials (upper triangle). wilson
        lets coefficients shift its Standard Model parameters, a relative 1e-4 of the running.
        For D mixing with the δ nodes as a first axis.
    by_ckm : dict of Port to ndarray, shape (2, N_DELTA, n_masses * n_monomials, n_names), complex
        For D mixing: change of `values` with ln V_cb and with ln V_ub.
    """

    basis: Basis
    smeft_accuracy: str
    versions: dict[str, str]
    table: str
    names: dict[Port, list[str]]
    values: dict[Port, np.ndarray]
    second: dict[Port, np.ndarray]
    by_ckm: dict[Port, np.ndarray]

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file."""
        with store.create(
            path,
            content="malaphoric running map",
            smeft_accuracy=self.smeft_accuracy,
            versions=self.versions,
            table=self.table,
        ) as file:
            self.basis.save(file.create_group("basis"))
            for port in sorted(self.values):
                names = json.dumps(self.names[port])
                store.write_array(file, f"first/{port.label}", self.values[port], names=names)
                for name, held in (("second", self.second), ("by_ckm", self.by_ckm)):
                    if port in held:
                        store.write_array(file, f"{name}/{port.label}", held[port])

    @classmethod
    def load(cls, path: str | Path) -> Running:
        """Read what `save` wrote.

        Raises
        ------
        malaphoric.store.StoreError
            If it was made with other versions of smelli, flavio or wilson than installed, or is
            damaged.
        """
        with store.read(path) as file:
            if file.attrs.get("content") != "malaphoric running map":
                raise store.StoreError(f"{path}: not a malaphoric running map; {store.REMEDY}")
            versions = store.parse(file.attrs["versions"])
            store.check_versions(versions, str(path), "delete it and start again")
            ports = {Port.parse(label): item for label, item in file["first"].items()}
            second, by_ckm = (
                {Port.parse(label): item[()] for label, item in file.get(name, {}).items()}
                for name in ("second", "by_ckm")
            )
            return cls(
                basis=Basis.load(file["basis"]),
                smeft_accuracy=file.attrs["smeft_accuracy"],
                versions=versions,
                table=file.attrs.get("table", "unknown"),
                names={port: json.loads(item.attrs["names"]) for port, item in ports.items()},
                values={port: item[()] for port, item in ports.items()},
                second=second,
                by_ckm=by_ckm,
            )

    @property
    def n_masses(self) -> int:
        """How many masses the first order is interpolated between."""
        return next(iter(self.values.values())).shape[1] // self.basis.size

    def select(self, port: Port, names: list[str]) -> np.ndarray:
        """Coefficients of unit monomials at the δ nodes, shape (N_DELTA, n, len(names))."""
        columns = [self.names[port].index(name) for name in names]
        return self.values[port][:, :, columns]


# -------------------------------------------------------------------------------------- evaluation


class _Forms(NamedTuple):
    """Bilinear forms of one port and lepton, and where their values go."""

    vcb: int  #: power of V_cb, relative to the SM's, that multiplies them
    matrix: np.ndarray
    out: slice


class _Batch(NamedTuple):
    """Ports and leptons whose forms are made of the same amplitudes and phase."""

    phase: str
    amplitudes: tuple[int, ...]
    quarks: np.ndarray  #: of each member, rows of `Factors`
    ports: np.ndarray  #: of each member, port and lepton
    forms: list[list[_Forms]]  #: of each member

    @property
    def size(self) -> int:
        """Number of their monomials."""
        return self.forms[0][0].matrix.shape[1]


class _Assumed(NamedTuple):
    """CKM elements that an iteration of their extraction assumes, and what it needs of them."""

    ckm: np.ndarray  #: shape (4, n)
    t: np.ndarray  #: Chebyshev polynomials of δ
    sign: np.ndarray  #: of δ
    m12: np.ndarray  #: of the Standard Model, of B_s and B0
    g12: np.ndarray  #: i/2 Γ12
    ratio: np.ndarray  #: `_Tree.mixing_ratio`


class _Linear:
    """Functions linear in monomials and smooth in δ, in the subspace where they do not vanish.

    Parameters
    ----------
    values : ndarray, shape (N_DELTA, k, n)
        Of unit monomials at `chebyshev_nodes`.
    tail : float
        What is left out, relative to the largest.
    base : ndarray, shape (n, n_base), optional
        What is there without monomials, as an expansion in Chebyshev polynomials.
    """

    def __init__(
        self, values: np.ndarray, tail: float = _TAIL, base: np.ndarray | None = None
    ) -> None:
        expansion = _expand(values, tail)
        unit = np.abs(expansion).max(axis=(0, 1))
        scaled = (expansion / np.where(unit > 0, unit, 1.0)).transpose(1, 0, 2)
        k = len(scaled)
        vectors, size, _ = np.linalg.svd(scaled.reshape(k, -1), full_matrices=False)
        self._subspace = np.ascontiguousarray(vectors[:, size > tail * size.max(initial=0.0)].T)
        core = self._subspace @ expansion
        self._n, *_, width = core.shape
        self._factors = _factors(core.reshape(-1, width).T, tail)
        self._base = base

    def __call__(self, t: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Values (n, j) at Chebyshev polynomials (enough of them, j) and monomials (k, j)."""
        values = _outer(t[: self._n], self._subspace @ m)
        for factor in self._factors:
            values = factor @ values
        if self._base is not None:
            values += self._base @ t[: self._base.shape[1]]
        return values


class _Quadratic:
    """Quadratic functions of monomials, in the subspace where they do not vanish.

    Parameters
    ----------
    tensor : ndarray, shape (k, k, n)
        Symmetric in the first two.
    tolerance : float
        What singular values count, relative to the largest.
    unit : ndarray, shape (n,), or float
        Multiplies the values.
    """

    def __init__(
        self, tensor: np.ndarray, tolerance: float, unit: np.ndarray | float = 1.0
    ) -> None:
        k = len(tensor)
        unfolded = tensor.reshape(k, -1)
        squares, vectors = np.linalg.eigh(unfolded @ unfolded.T)
        subspace = vectors[:, squares > tolerance**2 * squares.max(initial=0.0)]
        core = np.einsum("ia,ijn,jb->abn", subspace, tensor, subspace, optimize=True) * unit
        self._subspace = np.ascontiguousarray(subspace.T)
        # products of a few rows with themselves and all that follow: without gathering
        panels = []
        for start in range(0, len(core), _ROWS):
            panel = core[start : start + _ROWS, start:].copy()
            panel[:, _ROWS:] *= 2
            panels.append(panel.reshape(-1, core.shape[2]))
        whole = np.concatenate([np.zeros((0, core.shape[2])), *panels])
        self._factors = _factors(whole.T, tolerance)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values (n, m) at x (k, m)."""
        z = self._subspace @ x
        values = np.empty((self._factors[0].shape[1], z.shape[1]))
        stop = 0
        for start in range(0, len(z), _ROWS):
            first, second = z[start : start + _ROWS, np.newaxis], z[start:]
            out = slice(stop, stop + len(first) * len(second))
            np.multiply(first, second, out=values[out].reshape(len(first), *second.shape))
            stop = out.stop
        for factor in self._factors:
            values = factor @ values
        return values


class _SmoothQuadratic:
    """Functions quadratic in monomials and smooth in δ.

    Parameters
    ----------
    n_monomials : int
    parts : list of (ndarray, ndarray)
        Columns, and tensors of shape (k, k, N_DELTA, n) at `chebyshev_nodes`, which add up.
    tail : float
        As for `_Linear`.

    Attributes
    ----------
    columns : ndarray
        Those in which anything is.
    """

    def __init__(
        self,
        n_monomials: int,
        parts: list[tuple[np.ndarray, np.ndarray]],
        tail: float,
    ) -> None:
        used = [x.any(axis=(0, 1, 2)) for _, x in parts]
        own = [columns[kept] for (columns, _), kept in zip(parts, used, strict=True)]
        self.columns = np.unique(np.concatenate([np.zeros(0, int), *own]))
        if not self.columns.size:
            return
        total = np.zeros((n_monomials, n_monomials, N_DELTA, self.columns.size))
        for (_, x), columns, kept in zip(parts, own, used, strict=True):
            total[..., np.searchsorted(self.columns, columns)] += x[..., kept]
        unit = np.abs(total).max(axis=(0, 1, 2))
        expansion = _expand((total / unit).transpose(2, 0, 1, 3), tail)
        self._n = len(expansion)
        flat = expansion.transpose(1, 2, 0, 3).reshape(n_monomials, n_monomials, -1)
        self._of_squares = _Quadratic(flat, _QUADRATIC, np.tile(unit, self._n))

    def __call__(self, t: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Values (n, j) at Chebyshev polynomials (N_DELTA, j) and monomials (k, j)."""
        by_delta = self._of_squares(m).reshape(self._n, self.columns.size, -1)
        return np.einsum("an,aon->on", t[: self._n], by_delta)


def _symmetric(of_pairs: np.ndarray) -> np.ndarray:
    """A tensor (k, k, n) from what multiplies products of two (k (k + 1) / 2, n)."""
    k = int((2 * len(of_pairs)) ** 0.5)
    i, j = np.triu_indices(k)
    tensor = np.zeros((k, k, of_pairs.shape[1]))
    tensor[i, j] += of_pairs / 2
    tensor[j, i] += of_pairs / 2
    return tensor


@dataclass
class CompiledEngine:
    """Predictions of a model from tables.

    Parameters
    ----------
    table : Table
    running : Running

    Raises
    ------
    malaphoric.store.StoreError
        If the running map was made for another table.
    """

    table: Table
    running: Running
    observables: list = field(init=False)
    sm: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        if self.running.table != self.table.digest:
            raise store.StoreError(
                f"running map of {self.running.basis.model.name}: made for table "
                f"{self.running.table[:12]}, this one is {self.table.digest[:12]}; delete it and "
                "start again"
            )
        self.observables, self.sm = self.table.observables, self.table.sm
        self.parameters = self.running.basis.parameters
        self._n = self.running.n_masses * self.running.basis.size
        odd = np.tile(self.running.basis.odd, self.running.n_masses)
        self._odd = odd if odd.any() else None
        self._column = {name: i for i, name in enumerate(self.observables)}
        self._read: dict[tuple, _Linear] = {}  # of `coefficients`, made when it is asked
        self._prepare_ckm()
        # the columns that each part fills; a table of additional observables has some parts only
        self._parts: dict[str, np.ndarray] = {}
        if self.table.b2q():
            self._prepare_b2q()
        if "taylor" in self.table.parts:
            self._prepare_taylor()
        if "electroweak" in self.table.parts:
            self._prepare_electroweak()
        if lep2.OBSERVABLES[0] in self._column:
            self._parts["lep2"] = self._columns(lep2.OBSERVABLES)
            self._lep2 = lep2.ratios()
            self._to_lep2 = self._at_mz(AT_MZ, list(lep2.COEFFICIENTS)).T
        if _MIXING[0] in self._column:
            self._parts["mixing"] = self._columns(_MIXING)
        self._left_out = np.zeros(0, int)  # columns that nothing fills, of an engine from `of`
        if sorted(self._filled()) != list(range(len(self.observables))):
            raise store.StoreError("the table does not cover its observables; remake it")

    def of(self, observables: Iterable) -> CompiledEngine:
        """The engine without the parts that none of some observables needs.

        Parameters
        ----------
        observables : iterable
            flavio observables; those that the engine does not have do not count.

        Returns
        -------
        CompiledEngine
            With the same columns: those of the observables (and of others of their parts) have the
            same bits, all others are NaN. It shares the tables: making it costs nothing.
        """
        wanted = {self._column[o] for o in observables if o in self._column}
        own = copy(self)
        own._parts = {name: x for name, x in self._parts.items() if not wanted.isdisjoint(x)}
        own._left_out = np.setdiff1d(np.arange(len(self.observables)), own._filled())
        return own

    def _filled(self) -> list[int]:
        return [int(column) for columns in self._parts.values() for column in columns]

    def _columns(self, observables: Iterable) -> np.ndarray:
        return np.array([self._column[o] for o in observables])

    def _at_mz(self, port: Port, names: list[str]) -> np.ndarray:
        """Coefficients of unit monomials at m_Z, where the CKM phase is that of the SM."""
        at = chebyshev(ckm_delta(self.table.ckm_sm[None]), N_DELTA)[:, 0]
        values = chebyshev_coefficients(self.running.select(port, names).real)
        return np.tensordot(at, values, axes=1)

    # -- preparation: tables times running map

    def _prepare_ckm(self) -> None:
        part = self.table.parts["ckm"]
        tree = np.zeros((N_DELTA, self._n, 3))
        for port, path in self.table.slopes("ckm").items():
            tree += _contract(self.running, port, part, path)
        blocks = [tree]
        m12_sm, gamma12 = [], []
        for meson in ("Bs", "B0"):
            prefix = f"mixing/{meson}"
            port = Port(*json.loads(part[f"{prefix}/port"]))
            m12 = self.running.select(port, json.loads(part[f"{prefix}/names"]))
            m12 = m12 @ part[f"{prefix}/elements"]
            blocks += [m12.real[:, :, None], m12.imag[:, :, None]]
            m12_sm.append([complex(*part[f"{prefix}/sm"])])
            gamma12.append(part[f"{prefix}/gamma12"])
        self._m12_sm, self._gamma12 = np.array(m12_sm), np.array(gamma12).T[:, :, None]
        expansion = _expand(np.concatenate(blocks, axis=2), _TAIL).transpose(0, 2, 1)
        self._n_ckm = len(expansion)
        odd = self._odd
        parts = [expansion] if odd is None else [expansion * ~odd, expansion * odd]
        self._ckm_running = np.concatenate(parts).reshape(-1, self._n)
        self._ckm_initial = self._assumed(part["initial"][:, None])
        self._ckm_experiment = part["experiment"][:, None]
        self._ckm_tree = part["without_ckm"][:, None]

    def _prepare_b2q(self) -> None:
        coefficients, of_pairs, columns = [], [], []
        places: dict[tuple[Port, str], int] = {}
        forms: dict[tuple, list] = {}
        pairs: dict[tuple[int, int], int] = {}
        n_primitives, numerators = 1, []
        ckm = np.tile(self.table.ckm_sm, (N_DELTA, 1))
        ckm[:, 3] = [gamma_of_delta(delta, ckm[0]) for delta in chebyshev_nodes(N_DELTA)]
        top = decay_factors(ckm)["none"].top
        top_sm = decay_factors(self.table.ckm_sm[None])["none"].top[:, 0]
        for part in self.table.b2q():
            for number, (*port, lepton, phase, vcb) in enumerate(json.loads(part["labels"])):
                port = Port(*port)
                if (port, lepton) not in places:
                    names = [f"{c}_b{port.sector[0]}{lepton}{lepton}" for c in COEFFICIENTS]
                    q = QUARKS.index(port.sector[0])
                    c = self.running.select(port, names) * top[q][:, None, None]
                    places[port, lepton] = len(places)
                    coefficients.append(c)
                    of_port = [self.running.names[port].index(name) for name in names]
                    of_pairs.append(self.running.second[port][:, of_port] * top_sm[q])
                width = N_FORMS if phase == "none" else N_FORMS_MIXING
                forms.setdefault((port, lepton, phase, vcb), []).append(
                    (n_primitives + number, part["forms"][number, :width])
                )
            own = self._columns(_observables(part))
            for i, n, a, b in part["terms"]:
                # -1 stands for the constant 1, which is primitive 0
                n, a, b = (x + n_primitives if x >= 0 else 0 for x in (n, a, b))
                pair = pairs.setdefault((a, b), len(pairs))
                numerators.append((own[i], n, pair))
            columns.append(own)
            n_primitives += len(part["forms"])
        self._n_primitives = n_primitives
        self._parts["b2q"] = np.sort(np.concatenate(columns))
        c, quadratic = np.concatenate(coefficients, axis=2), np.concatenate(of_pairs, axis=1)
        self._coefficients = _Linear(np.concatenate([c.real, c.imag], axis=2))
        self._prepare_second(np.concatenate([quadratic.real, quadratic.imag], axis=1))
        self._batches, row = _batches(forms, places)
        self._pairs = row[np.array(list(pairs)).T]
        # an observable is one fraction, or two: Dmue
        by_column: dict[int, tuple] = {}
        for t in numerators:
            by_column.setdefault(t[0], t)
        first = sorted(by_column.values())
        second = [t for t in numerators if t not in first]
        place = {column: row for row, (column, _, _) in enumerate(first)}
        first = [(column, row[n], pair) for column, n, pair in first]
        second = [(place[column], row[n], pair) for column, n, pair in second]
        self._fractions = [np.array(x, dtype=int).reshape(-1, 3).T for x in (first, second)]
        self._prepare_small()

    def _prepare_second(self, of_pairs: np.ndarray) -> None:
        """Second order of the running, one quadratic form for each mass it is interpolated at."""
        size = self.running.basis.size
        n_pairs = size * (size + 1) // 2
        self._n_second = len(of_pairs) // n_pairs
        by_mass = of_pairs.reshape(self._n_second, n_pairs, -1).transpose(1, 0, 2)
        self._second = _Quadratic(_symmetric(by_mass.reshape(n_pairs, -1)), _SECOND_ORDER)

    def _prepare_small(self) -> None:
        """First order in the coefficients that arise by running only."""
        own = self._parts["b2q"]
        slopes = np.zeros((N_DELTA, self._n, own.size))
        for name, part in sorted(self.table.parts.items()):
            if not name.startswith("b2q"):
                continue
            rows = np.searchsorted(own, self._columns(_observables(part)))
            for port, path in self.table.slopes(name).items():
                found = _contract(self.running, port, part, path)
                slopes[:, :, rows[part[f"{path}/columns"]]] += found
        self._small = _Linear(slopes, _TAIL_SMALL)

    def _prepare_taylor(self) -> None:
        part = self.table.parts["taylor"]
        own_columns = self._parts["taylor"] = self._columns(_observables(part))
        self._parity = part["parity"]
        self._ckm_slopes = np.ascontiguousarray(part["ckm_slopes"].T)
        slopes = np.zeros((N_DELTA, self._n, own_columns.size))
        by_ckm = np.zeros((2, N_DELTA, self._n, own_columns.size))
        quadratic: list[tuple[np.ndarray, np.ndarray]] = []
        running: list[tuple[np.ndarray, np.ndarray]] = []
        for port, path in self.table.slopes("taylor").items():
            columns, own = part[f"{path}/columns"], part[f"{path}/slopes"]
            names = json.loads(part[f"{path}/names"])
            slopes[:, :, columns] += _contract(self.running, port, part, path)
            if port in self.running.by_ckm:
                where = [self.running.names[port].index(name) for name in names]
                for change, x in zip(by_ckm, self.running.by_ckm[port], strict=True):
                    change[:, :, columns] += _times_slopes(x[..., where], own)
                of_pairs = _times_slopes(self.running.second[port][..., where], own)
                running.append((columns, self._of_second_order(of_pairs)))
            if f"{path}/quadratic" in part:
                values = self.running.select(port, names)
                values = np.concatenate([values.real, values.imag], axis=2)
                tensors = [
                    np.einsum("ka,lb,abo->klo", v, v, q, optimize=True)
                    for v, q in zip(values, part[f"{path}/quadratic"], strict=True)
                ]
                quadratic.append((columns, np.stack(tensors, axis=2)))
        self._slopes = _Linear(slopes, base=chebyshev_coefficients(part["base"]).T)
        self._moved = np.flatnonzero(by_ckm.any(axis=(0, 1, 2)))
        if self._moved.size:
            by_ckm = by_ckm[..., self._moved].transpose(1, 2, 0, 3)
            self._by_ckm = _Linear(by_ckm.reshape(N_DELTA, self._n, -1))
        squares = [
            _SmoothQuadratic(self._n, quadratic, _TAIL),
            _SmoothQuadratic(self._n, running, _TAIL_SMALL),
        ]
        self._squares = [part for part in squares if part.columns.size]

    def _of_second_order(self, of_pairs: np.ndarray) -> np.ndarray:
        """What multiplies products of two monomials, shape (N_DELTA, ...), as (k, k, N_DELTA, n).

        Where the mass is a parameter, the k have weights of masses that add up to 1, so that a
        function f of the mass is the sum over two masses of (f + f') / 2.
        """
        size, n_masses = self.running.basis.size, self.running.n_masses
        n_pairs = size * (size + 1) // 2
        found = of_pairs.reshape(N_DELTA, -1, n_pairs, of_pairs.shape[-1])
        if n_masses > 1:
            at = weights(np.exp(nodes(n_masses)), found.shape[1])
            found = np.einsum("im,dmpo->dipo", at, found)
        flat = found.transpose(2, 1, 0, 3)
        tensor = _symmetric(flat.reshape(n_pairs, -1)).reshape(size, size, *flat.shape[1:])
        both = (tensor[:, :, :, None] + tensor[:, :, None]) / 2
        return both.transpose(2, 0, 3, 1, 4, 5).reshape(self._n, self._n, N_DELTA, -1)

    def _prepare_electroweak(self) -> None:
        part = self.table.parts["electroweak"]
        self._parts["electroweak"] = self._columns(_observables(part))
        to_ew = self._at_mz(Port(*json.loads(part["port"])), json.loads(part["names"]))
        # a table has both triangles, or twice the lower one
        quadratic = (part["quadratic"] + part["quadratic"].transpose(1, 0, 2)) / 2
        self._ew_base = part["base"][:, None]
        self._ew_linear = np.ascontiguousarray((to_ew @ part["linear"]).T)
        unit = np.abs(quadratic).max(axis=(0, 1))
        unit = np.where(unit > 0, unit, 1.0)
        tensor = np.einsum("ki,lj,ijo->klo", to_ew, to_ew, quadratic / unit, optimize=True)
        self._ew_quadratic = _Quadratic(tensor, _QUADRATIC, unit)

    # -- evaluation

    def evaluate(
        self,
        points: np.ndarray,
        progress: Callable[[int], None] | None = None,
        block: int = BLOCK,
        ckm: np.ndarray | None = None,
    ) -> Evaluation:
        """Predictions at points.

        Parameters
        ----------
        points : ndarray, shape (n, n_parameters)
            The `parameters`.
        progress : callable, optional
            Called with the number of points done after each block.
        block : int
            Points evaluated together. A point's last bits depend on it, so that scans never change
            it; a fit, which asks for few points at a time, does.
        ckm : ndarray, shape (n, 4), optional
            CKM elements of the points, from `extract` (default: extracted now).

        Returns
        -------
        Evaluation
            A row of NaN where the point cannot be computed; the reason is "ckm" where the CKM
            extraction fails.
        """
        points, reason = self._checked(points)
        n = len(points)
        predictions = np.empty((len(self.observables), n))
        found = np.empty((n, len(CKM)))
        for start in range(0, n, block):
            rows = slice(start, min(start + block, n))
            size = rows.stop - rows.start
            known = None if ckm is None else _whole(ckm[rows], block, np.nan)
            out = predictions[:, rows] if size == block else np.empty((len(predictions), block))
            found[rows] = self._block(_whole(points[rows], block, _FAR_AWAY), out, known)[:size]
            if size < block:
                predictions[:, rows] = out[:, :size]
        ckm = self._failures(found, reason)
        predictions[self._left_out] = 0.0  # so that what is finite is told from all others
        finite, good = np.isfinite(np.ones(len(predictions)) @ predictions), reason == ""
        predictions = predictions.T
        predictions[~good] = np.nan
        for i in np.flatnonzero(good & ~finite):
            bad = self.observables[int(np.argmin(np.isfinite(predictions[i])))]
            predictions[i] = ckm[i] = np.nan
            reason[i] = f"prediction of {bad} is not finite"
        predictions[:, self._left_out] = np.nan
        return Evaluation(predictions=predictions, ckm=ckm, reason=reason)

    def extract(self, points: np.ndarray) -> Evaluation:
        """CKM elements at points (n, n_parameters), as `evaluate`, without any prediction."""
        basis, n_masses = self.running.basis, self.running.n_masses
        points, reason = self._checked(points)
        ckm = np.empty((len(points), len(CKM)))
        for start in range(0, len(points), BLOCK):
            own = points[start : start + BLOCK]
            whole = _whole(own, BLOCK, _FAR_AWAY)
            m = basis.monomials(whole)
            if n_masses > 1:
                m = _outer(basis.masses(whole, n_masses), m)
            ckm[start : start + BLOCK] = self._extract_ckm(self._at_points(m))[: len(own)]
        ckm = self._failures(ckm, reason)
        return Evaluation(predictions=np.empty((len(points), 0)), ckm=ckm, reason=reason)

    def _checked(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points with others in place of those that are none, and the reasons of these."""
        points = np.atleast_2d(np.asarray(points, dtype=float))
        reason = np.full(len(points), "", dtype=object)
        if self.running.basis.M_X is None:
            reason[~inside(points[:, -1])] = NOT_INSIDE
        reason[~np.isfinite(points).all(axis=1)] = NOT_FINITE
        none = reason != ""
        return np.where(none[:, None], _FAR_AWAY, points) if none.any() else points, reason

    def _failures(self, ckm: np.ndarray, reason: np.ndarray) -> np.ndarray:
        """CKM elements (n, 4), NaN where there are none; completes the reasons (n,)."""
        good = reason == ""
        failed = np.isnan(ckm).any(axis=1)
        if failed.any() or not good.all():
            reason[failed & good] = CKM_FAILURE
            ckm[failed | ~good] = np.nan
        return ckm

    def coefficients(
        self, points: np.ndarray, ckm: np.ndarray, port: Port, names: list[str]
    ) -> np.ndarray:
        """Wilson coefficients where flavio reads them, with the CKM elements of the points.

        Parameters
        ----------
        points : ndarray, shape (n, n_parameters)
            The `parameters`.
        ckm : ndarray, shape (n, 4)
            Of the points, from `evaluate`.
        port : Port
        names : list of str
            Coefficients of this port.

        Returns
        -------
        ndarray, shape (n, len(names)), complex
            In the normalisation of the port's basis; NaN where there are no CKM elements.
        """
        basis, n_masses = self.running.basis, self.running.n_masses
        if (port, *names) not in self._read:  # as in `_prepare_b2q`
            c = self.running.select(port, names)
            linear = _Linear(np.concatenate([c.real, c.imag], axis=2))
            self._read[port, *names] = linear
        known = np.isfinite(points).all(axis=1) & np.isfinite(ckm).all(axis=1)
        result = np.full((len(points), len(names)), np.nan, dtype=complex)
        if not known.any():
            return result
        points, delta = points[known], ckm_delta(ckm[known])
        m = basis.monomials(points)
        if n_masses > 1:
            m = _outer(basis.masses(points, n_masses), m)
        sign = np.copysign(1, delta)
        if self._odd is not None:
            m = np.where(self._odd[:, None] & (sign < 0), -m, m)
        c = self._read[port, *names](chebyshev(delta, N_DELTA), m)
        result[known] = (c[: len(names)] + 1j * sign * c[len(names) :]).T
        return result

    def _block(
        self, points: np.ndarray, out: np.ndarray, ckm: np.ndarray | None = None
    ) -> np.ndarray:
        """Fill the predictions (n_observables, n) of a block; returns its CKM elements (n, 4).

        Where they are NaN, predictions mean nothing.
        """
        basis, n_masses = self.running.basis, self.running.n_masses
        if ckm is not None and not self._parts:
            return ckm
        m = single = basis.monomials(points)
        if n_masses > 1:
            m = _outer(basis.masses(points, n_masses), m)
        if "electroweak" in self._parts:
            values = self._ew_quadratic(m)
            values += self._ew_linear @ m
            values += self._ew_base
            out[self._parts["electroweak"]] = values
        if "lep2" in self._parts:
            out[self._parts["lep2"]] = self._lep2(self._to_lep2 @ m)
        of_flavour = not self._parts.keys().isdisjoint(("mixing", "b2q", "taylor"))
        if ckm is not None and not of_flavour:
            return ckm
        running = self._at_points(m)
        if ckm is None:
            ckm = self._extract_ckm(running)
        if not of_flavour:
            return ckm
        safe = np.where(np.isnan(ckm).any(axis=1)[:, None], self.table.ckm_sm, ckm)
        tree = _Tree.of(safe.T)
        delta = tree.delta
        factors = _decay_factors(tree)
        sign = np.copysign(1, delta)
        t_base = chebyshev(delta, N_DELTA_BASE)
        t = t_base[:N_DELTA]
        # tables are for δ > 0: what CP makes of the point, and CP again afterwards
        mirrored = m
        if self._odd is not None and (sign < 0).any():
            mirrored = np.where(self._odd[:, None] & (sign < 0), -m, m)
            single = np.where(basis.odd[:, None] & (sign < 0), -single, single)

        quantities = self._ckm_quantities(running, t, sign)
        m12_sm, g12 = self._mixing_sm(factors["ckm"])
        m12 = m12_sm + quantities[3::2] + 1j * quantities[4::2]
        qp = _q_over_p(m12, g12)
        if "mixing" in self._parts:
            self._fill_mixing(out, m12, g12, qp, factors["ckm"].charm)
        if "b2q" in self._parts:
            c = self._coefficients(t, mirrored)
            c += self._second_order(single, points)
            re, im = c.reshape(2, -1, len(COEFFICIENTS), len(points))
            im *= sign
            phases = mixing_phases(factors["ckm"].top[0], qp[0])
            b2q = self._evaluate_b2q(factors, re + 1j * im, phases, safe[:, 1])
            b2q += self._small(t, mirrored)
            out[self._parts["b2q"]] = b2q
        if "taylor" in self._parts:
            out[self._parts["taylor"]] = self._evaluate_taylor(t_base, mirrored, sign, safe)
        return ckm

    def _fill_mixing(
        self, out: np.ndarray, m12: np.ndarray, g12: np.ndarray, qp: np.ndarray, charm: np.ndarray
    ) -> None:
        """Observables of B_s and B0 mixing, from M12, Γ12 and q/p (2, n)."""
        delta_m = -2 * (qp * (m12 - 0.5j * g12)).real
        xi = np.where(delta_m < 0, -qp, qp) * charm / charm.conj()
        asymmetry = -2 * xi.imag / (1 + abs(xi) ** 2)
        # the final state of S_psiK is odd under CP
        out[self._parts["mixing"]] = abs(delta_m[0]), asymmetry[0], -asymmetry[1]

    def _second_order(self, monomials: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Second order of the running of b → q coefficients, at the masses of the points."""
        second = self._second(monomials)
        if self._n_second > 1:
            by_mass = second.reshape(self._n_second, -1, len(points))
            at = self.running.basis.masses(points, self._n_second)
            second = np.einsum("kn,kcn->cn", at, by_mass)
        return second

    def _evaluate_taylor(
        self, t: np.ndarray, m: np.ndarray, sign: np.ndarray, ckm: np.ndarray
    ) -> np.ndarray:
        """Observables of the expansion at Chebyshev polynomials, monomials and CKM elements."""
        taylor = self._slopes(t, m)
        for squares in self._squares:
            taylor[squares.columns] += squares(t, m)
        if self._moved.size:
            changes = self._by_ckm(t[:N_DELTA], m).reshape(2, -1, len(ckm))
            steps = np.log(ckm[:, 1:3] / self.table.ckm_sm[1:3]).T
            taylor[self._moved] += np.einsum("an,aon->on", steps, changes)
        if (sign < 0).any():
            taylor *= np.where(sign < 0, self._parity[:, None], 1)
        taylor += self._ckm_slopes @ (ckm[:, :3] - self.table.ckm_sm[:3]).T
        return taylor

    def _evaluate_b2q(
        self, factors: dict, c: np.ndarray, phases: dict, vcb: np.ndarray
    ) -> np.ndarray:
        """Observables of b → q (in the order of their columns, n) but for what is small."""
        values = np.empty((self._n_primitives, vcb.size))
        values[0] = 1
        vcb = vcb / self.table.ckm_sm[1]
        for batch in self._batches:
            own, phase = factors[batch.phase], phases.get(batch.phase)
            # few members at a time, so that their monomials stay in the cache
            step = max(1, _IN_CACHE // (batch.size * vcb.size))
            for start in range(0, len(batch.ports), step):
                members = slice(start, start + step)
                quarks = batch.quarks[members]
                top, own_c = own.top[quarks], c[batch.ports[members]].swapaxes(0, 1)
                if batch.phase == "ckm":  # not averaged with the CP conjugate
                    own_c = own_c * (top / factors["none"].top[quarks])
                features = forms_of(top, own.up[quarks], own_c, phase, batch.amplitudes)
                for member, several in enumerate(batch.forms[members]):
                    for forms in several:
                        np.matmul(forms.matrix, features[:, member], out=values[forms.out])
                        if forms.vcb:
                            values[forms.out] *= vcb**forms.vcb
        a, b = self._pairs
        root = values[a]
        root *= values[b]
        np.sqrt(root, out=root)
        (_, n1, p1), (o2, n2, p2) = self._fractions
        result = values[n1]
        result /= root[p1]
        result[o2] += values[n2] / root[p2]
        return result

    # -- meson mixing and the CKM matrix

    def _at_points(self, m: np.ndarray) -> list[np.ndarray]:
        """Chebyshev expansions of `_ckm_quantities`, shape (n_ckm, 7, n); CP-odd parts apart."""
        return list((self._ckm_running @ m).reshape(-1, self._n_ckm, 7, m.shape[1]))

    def _ckm_quantities(
        self, running: list[np.ndarray], t: np.ndarray, sign: np.ndarray
    ) -> np.ndarray:
        """Relative shifts of the tree-level inputs, M12 of B_s and B0 (Re, Im), shape (7, n).

        t: Chebyshev polynomials of δ, at least as many as the expansions have; sign: that of δ.
        """
        t = t[: self._n_ckm]
        result = np.einsum("akn,an->kn", running[0], t)
        if len(running) > 1:
            result += sign * np.einsum("akn,an->kn", running[1], t)
        result[4::2] *= sign
        return result

    def _mixing_sm(self, factors: Factors) -> tuple[np.ndarray, np.ndarray]:
        """M12 of the Standard Model and Γ12 (flavio's is the same) of B_s and B0, shape (2, n)."""
        m12 = self._m12_sm * factors.top**2
        of_charm, of_up = self._gamma12
        return m12, m12 * (of_charm + of_up * (factors.up / factors.top))

    def _extract_ckm(self, running: list[np.ndarray]) -> np.ndarray:
        """Vus, Vcb, Vub and gamma as in smelli's ``ckm_np``, NaN where it fails, shape (n, 4).

        Parameters
        ----------
        running : list of ndarray, shape (n_ckm, 7, n)
            From `_at_points`.
        """
        assumed = self._ckm_initial  # of all points
        left = np.arange(running[0].shape[2])
        result = np.empty((len(CKM), left.size))
        settled = np.zeros(left.size, dtype=bool)
        with np.errstate(invalid="ignore"):
            for _ in range(_CKM_ITERATIONS):
                before, ckm = assumed.ckm, self._improved_ckm(assumed, running)
                # what has settled is not touched any more: nothing depends on a point's neighbours
                moved = (abs(ckm - before) > _CKM_SETTLED * before).any(axis=0)
                if not moved.all():
                    new = ~(moved | settled)
                    result[:, left[new]] = ckm[:, new]
                    settled |= new
                    if settled.all():
                        return result.T
                    if 2 * np.count_nonzero(settled) > settled.size:
                        ckm, left = ckm[:, ~settled], left[~settled]
                        running = [expansion[:, :, ~settled] for expansion in running]
                        settled = np.zeros(left.size, dtype=bool)
                assumed = self._assumed(ckm)
        result[:, left[~settled]] = ckm[:, ~settled]
        return result.T

    def _assumed(self, ckm: np.ndarray) -> _Assumed:
        """What an iteration of the extraction needs of CKM elements (4, n)."""
        tree = _Tree.of(ckm)
        delta = tree.delta
        m12, g12 = self._mixing_sm(tree.factors(*tree.of_delta))
        return _Assumed(
            ckm=ckm,
            t=chebyshev(delta, self._n_ckm),
            sign=np.copysign(1, delta),
            m12=m12,
            g12=0.5j * g12,
            ratio=tree.mixing_ratio,
        )

    def _improved_ckm(self, assumed: _Assumed, running: list[np.ndarray]) -> np.ndarray:
        """One iteration of smelli's: CKM elements (4, n) from those that were assumed."""
        q = self._ckm_quantities(running, assumed.t, assumed.sign)
        m12 = assumed.m12 + q[3::2] + 1j * q[4::2]
        # ΔM = 2 |Re(q/p (M12 - i/2 Γ12))|, and 2 (Re sqrt(z))² = |z| + Re z
        z = (m12 - assumed.g12) * (m12 + assumed.g12).conj()
        s, d = abs(z) + z.real
        f = self._ckm_experiment[:3] / (self._ckm_tree + q[:3])
        return _from_factors(f, self._ckm_experiment[3] * assumed.ratio * np.sqrt(s / d))


def _batches(forms: dict[tuple, list], places: dict[tuple, int]) -> tuple[list[_Batch], np.ndarray]:
    """Forms (their numbers and vectors by port, lepton, phase and power of V_cb) in batches.

    Their values are in the order in which they are computed, after the constant 1: also returns
    the row of each form by its number.
    """
    groups: dict[tuple, dict[tuple[int, int], list[_Forms]]] = {}
    row = np.zeros(1 + sum(map(len, forms.values())), dtype=int)
    stop = 1
    for (port, lepton, phase, vcb), found in forms.items():
        amplitudes, matrix = _used(np.array([form for _, form in found]), phase != "none")
        out = slice(stop, stop + len(found))
        row[[number for number, _ in found]] = np.arange(out.start, out.stop)
        member = QUARKS.index(port.sector[0]), places[port, lepton]
        members = groups.setdefault((phase, amplitudes), {})
        members.setdefault(member, []).append(_Forms(vcb, matrix, out))
        stop = out.stop
    batches = []
    for (phase, amplitudes), members in groups.items():
        quarks, ports = np.array(list(members)).T
        batches.append(_Batch(phase, amplitudes, quarks, ports, list(members.values())))
    return batches, row


def _observables(part: dict) -> list:
    """Observables of a part of a table, in its order."""
    return categories.parse_observables(part["observables"])


def _contract(running: Running, port: Port, part: dict, path: str) -> np.ndarray:
    """Slopes in the coefficients of a port → slopes in the monomials, (N_DELTA, k, n)."""
    values = running.select(port, json.loads(part[f"{path}/names"]))
    return _times_slopes(values, part[f"{path}/slopes"])


def _times_slopes(values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Complex values (N_DELTA, k, n_names) times slopes in their real and imaginary parts."""
    if slopes.ndim == 3:  # the same at every δ
        slopes = np.broadcast_to(slopes[:, None], (2, N_DELTA, *slopes.shape[1:]))
    return values.real @ slopes[0] + values.imag @ slopes[1]


def _expand(values: np.ndarray, tail: float) -> np.ndarray:
    """Chebyshev expansion along the first axis, without its negligible tail."""
    expansion = chebyshev_coefficients(values)
    size = np.abs(expansion).max(axis=tuple(range(expansion.ndim - 1)))
    relative = np.abs(expansion) / np.where(size == 0, 1, size)
    needed = np.flatnonzero(relative.max(axis=tuple(range(1, expansion.ndim))) > tail)
    return expansion[: needed[-1] + 1 if needed.size else 1]


def _factors(matrix: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """A matrix, or two that are less and give it when applied one after the other.

    Singular values count by their size relative to the largest, rows by their own size.
    """
    unit = np.abs(matrix).max(axis=1, keepdims=True, initial=0.0)
    unit[unit == 0] = 1.0
    left, size, right = np.linalg.svd(matrix / unit, full_matrices=False)
    n = np.count_nonzero(size > _RANK * tolerance * size.max(initial=0.0))
    if n * sum(matrix.shape) >= matrix.size:
        return [np.ascontiguousarray(matrix)]
    return [right[:n], unit * left[:, :n] * size[:n]]


def _whole(rows: np.ndarray, size: int, value: float) -> np.ndarray:
    """Rows (n, k) and as many of a value as make a block of a size."""
    if len(rows) == size:
        return rows
    return np.concatenate([rows, np.full((size - len(rows), rows.shape[1]), value)])


def _outer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of rows of (j, n) and (k, n), shape (j k, n)."""
    return (first[:, None] * second).reshape(-1, second.shape[1])


def _used(forms: np.ndarray, mixing: bool) -> tuple[tuple[int, ...], np.ndarray]:
    """Amplitudes that bilinear forms depend on, and the forms in their monomials."""
    labels = form_labels(range(_N_AMPLITUDES), mixing)
    # amplitudes are of the same size, so that coefficients tell what counts
    counts = (abs(forms) > _ROUNDING * abs(forms).max(axis=1, keepdims=True)).any(axis=0)
    amplitudes = tuple(
        i
        for i in range(_N_AMPLITUDES)
        if any(c and i in label[1:] for c, label in zip(counts, labels, strict=True))
    )
    columns = [labels.index(label) for label in form_labels(amplitudes, mixing)]
    return amplitudes, np.ascontiguousarray(forms[:, columns])


def _q_over_p(m12: np.ndarray, g12: np.ndarray) -> np.ndarray:
    """q/p, as `flavio.physics.mesonmixing.common.q_over_p`."""
    return -np.sqrt((2 * m12.conj() - 1j * g12.conj()) / (2 * m12 - 1j * g12))


def _from_factors(f: np.ndarray, f4: np.ndarray) -> np.ndarray:
    """Inverse of the CKM prefactors, smelli's ``get_ckm``; NaN where |cos γ| > 1."""
    f1, f2, f3 = f
    c = f3 * (f2 + f3 - 1)
    cos_gamma = f1 * (f2 + c * f4) - c - f2 * f4
    cos_gamma /= 2 * (1 + f4) * np.sqrt(-f1 * f2 * c)
    result = np.empty((len(CKM), f1.size))
    result[0] = f1 * (1 - f3) / (1 + f1)
    result[1:3] = f[1:]
    np.sqrt(result[:3], out=result[:3])
    np.arccos(cos_gamma, out=result[3])
    return result
