"""The theory half as tables: predictions of all observables in bulk, microseconds a point.

Here lives the evaluation in plain numpy, without flavio, smelli or wilson; the tables and a model's
running map are made in `compiling`, which also says what physics makes the forms below exact.

A point is evaluated in four steps: couplings → monomials (`basis`); monomials → CKM elements, by
smelli's own iteration; (monomials, δ) → Wilson coefficients at the *ports* where flavio reads them,
linear; and coefficients and CKM elements → observables, by bilinear forms and expansions to first
or second order.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from malaphoric import categories, lep2, store
from malaphoric.basis import Basis
from malaphoric.grid import BLOCK
from malaphoric.theory import CKM, CKM_FAILURE, NOT_FINITE, Theory

#: Root attributes of the table's file; the format changes when this module reads it differently.
CONTENT, FORMAT = "malaphoric compiled table", 3

_PACKAGED = files(__package__).joinpath("data", "compiled.h5")

LEPTONS = ("e", "mu", "tau")

#: b → q l l coefficients (flavio basis) that enter the bilinear forms, for each lepton.
COEFFICIENTS = ("C9", "C10", "C9p", "C10p")

#: Those that arise by running only and are small: their first order is enough, see `small`.
_DIPOLES, _SCALARS = ("C7", "C8", "C7p", "C8p"), ("CS", "CP", "CSp", "CPp")

#: Sectors of b → q l l and b → q γ.
B_TO_Q = ("sb", "db")

#: Number of δ nodes of coefficients and slopes, and of the Standard Model values.
N_DELTA, N_DELTA_BASE = 12, 24

#: Relative size of Chebyshev coefficients that are left out.
_TAIL = 1e-7

#: smelli iterates the CKM extraction this often.
_CKM_ITERATIONS = 10

# Subspaces of what is quadratic: singular values that count, relative to the largest.
_SECOND_ORDER, _QUADRATIC = 1e-4, 1e-7

# Size of λ_t: makes the constant in the bilinear forms like the other factors.
_LAMBDA = 0.04

_N_AMPLITUDES = 3 + len(COEFFICIENTS)

#: Number of monomials of a bilinear form, see `forms_of`: without and with meson mixing.
N_FORMS = _N_AMPLITUDES**2
N_FORMS_MIXING = N_FORMS + _N_AMPLITUDES * (_N_AMPLITUDES + 1)

# Where the LEP2 amplitudes read their coefficients: EFT, basis, sector.
_AT_MZ = ("SMEFT", "Warsaw", "all")


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
    """Chebyshev polynomials of |δ| on [0, π/2], shape (len(delta), n)."""
    x = 4 / np.pi * abs(delta) - 1
    result = np.empty((n, delta.size))
    result[0] = 1
    result[1] = x
    for k in range(2, n):
        result[k] = 2 * x * result[k - 1] - result[k - 2]
    return result.T


def chebyshev_coefficients(values: np.ndarray) -> np.ndarray:
    """Expansion coefficients of values at `chebyshev_nodes` along the first axis."""
    n = len(values)
    basis = chebyshev(chebyshev_nodes(n), n).T * (2 / n)
    basis[0] /= 2
    return np.tensordot(basis, values, axes=1)


def ckm_delta(ckm: np.ndarray) -> np.ndarray:
    """CKM phase δ of the standard parametrisation, as ckmutil has it.

    Parameters
    ----------
    ckm : ndarray, shape (n, 4)
        Vus, Vcb, Vub and gamma (rad).

    Returns
    -------
    ndarray, shape (n,)
        In (-π/2, π/2): ckmutil's ``gamma_to_delta`` takes an arctan, so that its δ is off by π
        where γ exceeds π/2 (minus 10⁻³). smelli, flavio and wilson inherit that, and the iteration
        of the CKM extraction goes astray there; what they do is what we reproduce. (In b3-l2, one
        finite point in a thousand; nearly all have Δχ² > 500.) Tables need δ > 0 only: δ → -δ
        conjugates the CKM matrix, and with it all coefficients.
    """
    vus, vcb, s13, gamma = ckm.T
    c13_2 = 1 - s13**2
    tan_12, tan_23 = vus / np.sqrt(c13_2 - vus**2), vcb / np.sqrt(c13_2 - vcb**2)
    k = s13 * tan_23 / tan_12
    sin = np.sin(gamma)
    return np.arctan((1 - k**2) / (1 / np.tan(gamma) - k * np.sqrt(1 / sin**2 - k**2)))


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


def mean_delta(ckm: np.ndarray) -> np.ndarray:
    """CKM phase that a decay and its CP conjugate have on average, shape (n,).

    flavio conjugates CP by γ → -γ, and ckmutil's δ is not odd in γ, by 10⁻³. The mean of δ(γ) and
    -δ(-γ) is γ (up to 10⁻⁶), in (-π/2, π/2) like δ.
    """
    return np.arctan(np.tan(ckm[:, 3]))


def ckm_factors(
    ckm: np.ndarray, delta: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """CKM factors of b → s and b → d.

    Parameters
    ----------
    ckm : ndarray, shape (n, 4)
        Vus, Vcb, Vub and gamma (rad).
    delta : ndarray, shape (n,)
        CKM phase: `ckm_delta` or `mean_delta`.

    Returns
    -------
    dict
        For "s" and "d": λ_t = V_tb V_tq*, λ_u = V_ub V_uq* and λ_c = V_cb V_cq*, shape (n,).

    Notes
    -----
    Source: the tree parametrisation of ckmutil.
    """
    vus, vcb, s13, _ = ckm.T
    c13 = np.sqrt(1 - s13**2)
    s12, s23 = vus / c13, vcb / c13
    c12, c23 = np.sqrt(1 - s12**2), np.sqrt(1 - s23**2)
    phase = np.exp(1j * delta)
    v_td, v_ts = s12 * s23 - c12 * c23 * s13 * phase, -c12 * s23 - s12 * c23 * s13 * phase
    v_cd, v_cs = -s12 * c23 - c12 * s23 * s13 * phase, c12 * c23 - s12 * s23 * s13 * phase
    v_ub, v_tb = s13 / phase, c23 * c13
    return {
        "s": (v_tb * v_ts.conj(), v_ub * vus, vcb * v_cs.conj()),
        "d": (v_tb * v_td.conj(), v_ub * (c12 * c13), vcb * v_cd.conj()),
    }


def decay_factors(ckm: np.ndarray) -> dict[str, dict]:
    """`ckm_factors` as decays see them, by phase of their forms (see `mixing_phases`).

    Leptonic decays ("ckm") are not averaged with their CP conjugates, all others are.
    """
    mean = ckm_factors(ckm, mean_delta(ckm))
    return {
        "none": mean,
        "mixing": mean,
        "q/p": mean,
        "ckm": ckm_factors(ckm, ckm_delta(ckm)),
    }


def forms_of(
    factors: tuple[np.ndarray, np.ndarray, np.ndarray],
    c: np.ndarray,
    phase: np.ndarray | None = None,
) -> np.ndarray:
    """Monomials of the bilinear forms of a b → q transition with one lepton.

    Parameters
    ----------
    factors : tuple of ndarray, shape (n,)
        λ_t, λ_u, λ_c of `ckm_factors`, from `decay_factors`.
    c : ndarray, shape (n, 4), complex
        λ_t times `COEFFICIENTS`.
    phase : ndarray, shape (n,), optional
        One of `mixing_phases`, for observables with meson mixing.

    Returns
    -------
    ndarray, shape (n, `N_FORMS` or `N_FORMS_MIXING`)
        Real and imaginary parts of z_i* z_j, and of phase (z_i z_j)*: products of amplitudes with
        their conjugates, and with those of the CP conjugate decay. z = (constant, λ_t, λ_u, c); the
        constant is there because flavio interpolates the spectator scattering of QCD factorisation
        in tables made at fixed CKM elements.
    """
    top, up, _ = factors
    z = np.empty((_N_AMPLITUDES, len(c)), dtype=complex)
    z[0], z[1], z[2] = _LAMBDA, top, up
    z[3:] = c.T
    conjugate = z.conj()
    size = abs(z) ** 2
    pairs = [conjugate[i] * z[i + 1 :] for i in range(_N_AMPLITUDES - 1)]
    if phase is not None:
        pairs += [(phase * conjugate[i]) * conjugate[i:] for i in range(_N_AMPLITUDES)]
    products = np.concatenate(pairs)
    return np.concatenate([size, products.real, products.imag]).T


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


def _check_versions(stored: dict[str, str], what: str, remedy: str) -> None:
    for name, version in store.versions().items():
        if stored.get(name) != version:
            raise store.StoreError(
                f"{what}: made with {name} {stored.get(name)}, installed is {name} {version}; "
                f"{remedy}, or install that version"
            )


def check_file(file: h5py.File, path: str, content: str, version: int) -> None:
    """Refuse a file of the package that this code does not read.

    Raises
    ------
    malaphoric.store.StoreError
        If it is another file, of another format, or made with other versions of smelli, flavio or
        wilson than installed.
    """
    remedy = "remake it (`make table`)"
    if file.attrs.get("content") != content:
        raise store.StoreError(f"{path}: not a {content}; {remedy}")
    if file.attrs["format"] != version:
        raise store.StoreError(
            f"{path}: format {file.attrs['format']}, this version reads {version}; {remedy}"
        )
    _check_versions(store.parse(file.attrs["versions"]), path, remedy)


@contextlib.contextmanager
def _open_table(path: str | Path) -> Iterator[h5py.File]:
    """A table's file, if it is one that this module reads, of the installed versions."""
    with store.read(path) as file:
        check_file(file, str(path), CONTENT, FORMAT)
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
            with as_file(_PACKAGED) as packaged:
                return cls.load(packaged)
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
        for part in self.parts:
            for port, path in self.slopes(part).items():
                names.setdefault(port, set()).update(json.loads(self.parts[part][f"{path}/names"]))
        for meson in ("Bs", "B0"):
            port = Port(*json.loads(self.parts["ckm"][f"mixing/{meson}/port"]))
            names.setdefault(port, set()).update(
                json.loads(self.parts["ckm"][f"mixing/{meson}/names"])
            )
        if ew := self.parts.get("electroweak"):
            names.setdefault(Port(*json.loads(ew["port"])), set()).update(json.loads(ew["names"]))
        return {port: sorted(names[port]) for port in sorted(names)}


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
        lets Higgs operators shift its Standard Model parameters, a relative 1e-4 of the running.
    """

    basis: Basis
    smeft_accuracy: str
    versions: dict[str, str]
    table: str
    names: dict[Port, list[str]]
    values: dict[Port, np.ndarray]
    second: dict[Port, np.ndarray]

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
                if port in self.second:
                    store.write_array(file, f"second/{port.label}", self.second[port])

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
            _check_versions(versions, str(path), "delete it and start again")
            ports = {Port.parse(label): item for label, item in file["first"].items()}
            second = {Port.parse(label): item[()] for label, item in file.get("second", {}).items()}
            return cls(
                basis=Basis.load(file["basis"]),
                smeft_accuracy=file.attrs["smeft_accuracy"],
                versions=versions,
                table=file.attrs.get("table", "unknown"),
                names={port: json.loads(item.attrs["names"]) for port, item in ports.items()},
                values={port: item[()] for port, item in ports.items()},
                second=second,
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


@dataclass
class _Forms:
    """Bilinear forms of one port, lepton and phase, and where their values go."""

    q: str
    phase: str
    vcb: int  #: power of V_cb, relative to the SM's, that multiplies them
    c: slice  #: columns of the coefficients
    matrix: np.ndarray
    out: np.ndarray


class _Quadratic:
    """Quadratic functions of monomials, in the subspace where they do not vanish.

    Parameters
    ----------
    tensor : ndarray, shape (k, k, n)
        Symmetric in the first two.
    tolerance : float
        What singular values count, relative to the largest.
    """

    def __init__(self, tensor: np.ndarray, tolerance: float) -> None:
        k = len(tensor)
        unfolded = tensor.reshape(k, -1)
        squares, vectors = np.linalg.eigh(unfolded @ unfolded.T)
        self._subspace = vectors[:, squares > tolerance**2 * squares.max(initial=0.0)]
        core = np.einsum("ia,ijn,jb->abn", self._subspace, tensor, self._subspace, optimize=True)
        self._i, self._j = np.triu_indices(len(core))
        self._core = core[self._i, self._j]
        self._core[self._i != self._j] *= 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values (m, n) at x (m, k)."""
        z = x @ self._subspace
        return (z[:, self._i] * z[:, self._j]) @ self._core


def _symmetric(of_pairs: np.ndarray) -> np.ndarray:
    """A tensor (k, k, n) from what multiplies products of two (k (k + 1) / 2, n)."""
    k = int((2 * len(of_pairs)) ** 0.5)
    i, j = np.triu_indices(k)
    tensor = np.zeros((k, k, of_pairs.shape[1]))
    tensor[i, j] += of_pairs / 2
    tensor[j, i] += of_pairs / 2
    return tensor


@dataclass
class CompiledTheory:
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
        # a table of additional observables has some of the parts only
        self._parts = {name for name in ("taylor", "electroweak") if name in self.table.parts}
        self._parts |= {"b2q"} if self.table.b2q() else set()
        self._parts |= {"lep2"} if lep2.OBSERVABLES[0] in self._column else set()
        self._parts |= {"mixing"} if "DeltaM_s" in self._column else set()
        self._prepare_ckm()
        done = [np.zeros(0, int)]
        if "b2q" in self._parts:
            self._prepare_b2q()
            done.append(self._b2q_columns)
        if "taylor" in self._parts:
            self._prepare_taylor()
            done.append(self._taylor)
        if "electroweak" in self._parts:
            self._prepare_electroweak()
            done.append(self._ew)
        if "lep2" in self._parts:
            self._lep2 = np.array([self._column[o] for o in lep2.OBSERVABLES])
            self._to_lep2 = self._at_mz(Port(lep2.SCALE, *_AT_MZ), list(lep2.COEFFICIENTS))
            done.append(self._lep2)
        if "mixing" in self._parts:
            done.append(np.array([self._column[o] for o in ("DeltaM_s", "S_psiphi", "S_psiK")]))
        if sorted(np.concatenate(done)) != list(range(len(self.observables))):
            raise store.StoreError("the table does not cover its observables; remake it")

    def _columns(self, names: str) -> np.ndarray:
        return np.array([self._column[o] for o in categories.parse_observables(names)])

    def _at_mz(self, port: Port, names: list[str]) -> np.ndarray:
        """Coefficients of unit monomials at m_Z, where the CKM phase is that of the SM."""
        at = chebyshev(ckm_delta(self.table.ckm_sm[None]), N_DELTA)[0]
        values = chebyshev_coefficients(self.running.select(port, names).real)
        return np.tensordot(at, values, axes=1)

    # -- preparation: tables times running map

    def _prepare_ckm(self) -> None:
        part = self.table.parts["ckm"]
        tree = np.zeros((N_DELTA, self._n, 3))
        for port, path in self.table.slopes("ckm").items():
            tree += _contract(self.running, port, part, path)
        blocks = [tree]
        self._mixing = {}
        for meson, q in (("Bs", "s"), ("B0", "d")):
            prefix = f"mixing/{meson}"
            port = Port(*json.loads(part[f"{prefix}/port"]))
            m12 = self.running.select(port, json.loads(part[f"{prefix}/names"]))
            m12 = m12 @ part[f"{prefix}/elements"]
            blocks += [m12.real[:, :, None], m12.imag[:, :, None]]
            self._mixing[q] = (complex(*part[f"{prefix}/sm"]), part[f"{prefix}/gamma12"])
        expansion = _expand(np.concatenate(blocks, axis=2)).transpose(0, 2, 1)
        self._n_ckm = len(expansion)
        self._ckm_running = np.ascontiguousarray(expansion.reshape(-1, self._n))
        self._ckm_initial = part["initial"]
        self._ckm_experiment = part["experiment"]
        self._ckm_tree = part["without_ckm"]

    def _prepare_b2q(self) -> None:
        coefficients, second, slices = [], [], {}
        forms: dict[tuple, list] = {}
        n_primitives, numerators, pairs, columns = 1, [], {}, []
        ckm = np.tile(self.table.ckm_sm, (N_DELTA, 1))
        ckm[:, 3] = [gamma_of_delta(delta, ckm[0]) for delta in chebyshev_nodes(N_DELTA)]
        factors = decay_factors(ckm)["none"]
        factors_sm = decay_factors(self.table.ckm_sm[None])["none"]
        for part in self.table.b2q():
            for number, (*port, lepton, phase, vcb) in enumerate(json.loads(part["labels"])):
                port = Port(*port)
                q = port.sector[0]
                if (port, lepton) not in slices:
                    names = [f"{c}_b{q}{lepton}{lepton}" for c in COEFFICIENTS]
                    c = self.running.select(port, names) * factors[q][0][:, None, None]
                    slices[port, lepton] = slice(4 * len(slices), 4 * len(slices) + 4)
                    coefficients.append(c)
                    of_port = [self.running.names[port].index(name) for name in names]
                    second.append(self.running.second[port][:, of_port] * factors_sm[q][0])
                width = N_FORMS if phase == "none" else N_FORMS_MIXING
                forms.setdefault((port, lepton, phase, vcb), []).append(
                    (n_primitives + number, part["forms"][number, :width])
                )
            own = self._columns(part["observables"])
            for i, n, a, b in part["terms"]:
                # -1 stands for the constant 1, which is primitive 0
                n, a, b = (x + n_primitives if x >= 0 else 0 for x in (n, a, b))
                pair = pairs.setdefault((a, b), len(pairs))
                numerators.append((own[i], n, pair))
            columns.append(own)
            n_primitives += len(part["forms"])
        self._n_primitives = n_primitives
        self._b2q_columns = np.concatenate(columns)
        c, second = np.concatenate(coefficients, axis=2), np.concatenate(second, axis=1)
        self._coefficients = _flatten(np.concatenate([c.real, c.imag], axis=2))
        self._prepare_second(np.concatenate([second.real, second.imag], axis=1))
        self._forms = [
            _Forms(
                q=port.sector[0],
                phase=phase,
                vcb=vcb,
                c=slices[port, lepton],
                matrix=np.array([f for _, f in rows]),
                out=np.array([i for i, _ in rows]),
            )
            for (port, lepton, phase, vcb), rows in forms.items()
        ]
        self._pairs = np.array(list(pairs)).T
        # an observable is one fraction, or two: Dmue
        seen: set[int] = set()
        first = [t for t in numerators if not (t[0] in seen or seen.add(t[0]))]
        second = [t for t in numerators if t not in first]
        self._fractions = [np.array(x, dtype=int).reshape(-1, 3).T for x in (first, second)]
        self._prepare_small()

    def _prepare_second(self, of_pairs: np.ndarray) -> None:
        """Second order of the running, one quadratic form for each mass it is interpolated at."""
        n_pairs = self.running.basis.size * (self.running.basis.size + 1) // 2
        self._n_second = len(of_pairs) // n_pairs
        by_mass = of_pairs.reshape(self._n_second, n_pairs, -1).transpose(1, 0, 2)
        self._second = _Quadratic(_symmetric(by_mass.reshape(n_pairs, -1)), _SECOND_ORDER)

    def _prepare_small(self) -> None:
        """First order in the coefficients that arise by running only."""
        slopes, offset = np.zeros((N_DELTA, self._n, self._b2q_columns.size)), 0
        for name, part in sorted(self.table.parts.items()):
            if not name.startswith("b2q"):
                continue
            for port, path in self.table.slopes(name).items():
                columns = offset + part[f"{path}/columns"]
                slopes[:, :, columns] += _contract(self.running, port, part, path)
            offset += len(categories.parse_observables(part["observables"]))
        self._small = _flatten(slopes)

    def _prepare_taylor(self) -> None:
        part = self.table.parts["taylor"]
        self._taylor = self._columns(part["observables"])
        self._base = chebyshev_coefficients(part["base"])
        self._parity = part["parity"]
        self._ckm_slopes = part["ckm_slopes"]
        slopes = np.zeros((N_DELTA, self._n, self._taylor.size))
        second = np.zeros((self._n, self._n, N_DELTA, self._taylor.size))
        for port, path in self.table.slopes("taylor").items():
            columns = part[f"{path}/columns"]
            slopes[:, :, columns] += _contract(self.running, port, part, path)
            if f"{path}/quadratic" in part:
                values = self.running.select(port, json.loads(part[f"{path}/names"]))
                values = np.concatenate([values.real, values.imag], axis=2)
                quadratic = part[f"{path}/quadratic"]
                for j, (v, q) in enumerate(zip(values, quadratic, strict=True)):
                    second[:, :, j, columns] += np.einsum("ka,lb,abo->klo", v, v, q, optimize=True)
        self._slopes = _flatten(slopes)
        self._squared = np.flatnonzero(second.any(axis=(0, 1, 2)))
        if self._squared.size:
            expansion = _expand(second[..., self._squared].transpose(2, 0, 1, 3))
            self._n_squared = len(expansion)
            flat = expansion.transpose(1, 2, 0, 3).reshape(self._n, self._n, -1)
            self._squares = _Quadratic(flat, _QUADRATIC)

    def _prepare_electroweak(self) -> None:
        part = self.table.parts["electroweak"]
        self._ew = self._columns(part["observables"])
        to_ew = self._at_mz(Port(*json.loads(part["port"])), json.loads(part["names"]))
        # the table has the lower triangle
        quadratic = (part["quadratic"] + part["quadratic"].transpose(1, 0, 2)) / 2
        self._ew_base, self._ew_linear = part["base"], to_ew @ part["linear"]
        unit = np.abs(quadratic).max(axis=(0, 1))
        self._ew_unit = np.where(unit > 0, unit, 1.0)
        tensor = np.einsum("ki,lj,ijo->klo", to_ew, to_ew, quadratic / self._ew_unit, optimize=True)
        self._ew_quadratic = _Quadratic(tensor, _QUADRATIC)

    # -- evaluation

    def evaluate(
        self,
        points: np.ndarray,
        progress: Callable[[int], None] | None = None,
        block: int = BLOCK,
    ) -> Theory:
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

        Returns
        -------
        Theory
            A row of NaN where the point cannot be computed; the reason is "ckm" where the CKM
            extraction fails.
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        finite = np.isfinite(points).all(axis=1)
        points = np.where(finite[:, None], points, 1)
        n = len(points)
        predictions = np.empty((n, len(self.observables)))
        ckm = np.empty((n, len(CKM)))
        for start in range(0, n, block):
            rows = slice(start, min(start + block, n))
            size = rows.stop - rows.start
            if size == block:
                ckm[rows] = self._block(points[rows], predictions[rows])
            else:
                padded = np.ones((block, len(self.parameters)))
                out = np.empty((block, len(self.observables)))
                padded[:size] = points[rows]
                ckm[rows] = self._block(padded, out)[:size]
                predictions[rows] = out[:size]
        reason = np.where(np.isnan(ckm[:, 3]), CKM_FAILURE, "").astype(object)
        reason[~finite], predictions[~finite], ckm[~finite] = NOT_FINITE, np.nan, np.nan
        for i in np.flatnonzero((reason == "") & ~np.isfinite(predictions.sum(axis=1))):
            bad = self.observables[int(np.argmin(np.isfinite(predictions[i])))]
            predictions[i] = ckm[i] = np.nan
            reason[i] = f"prediction of {bad} is not finite"
        return Theory(predictions=predictions, ckm=ckm, reason=reason)

    def _block(self, points: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Fill the predictions (n, n_observables) of a block; returns its CKM elements."""
        basis, n_masses = self.running.basis, self.running.n_masses
        m = single = basis.monomials(points)
        if n_masses > 1:
            m = (basis.masses(points, n_masses)[:, :, None] * m[:, None, :]).reshape(len(m), -1)
        running = self._at_points(m)
        ckm = self._extract_ckm(running)
        failed = np.isnan(ckm).any(axis=1)
        ckm[failed] = np.nan
        safe = np.where(failed[:, None], self.table.ckm_sm, ckm)
        delta = ckm_delta(safe)
        factors = decay_factors(safe)
        top, _, charm = factors["ckm"]["s"]
        sign = np.copysign(1, delta)[:, None]
        t = chebyshev(delta, N_DELTA)
        # tables are for δ > 0: what CP makes of the point, and CP again afterwards
        mirrored = m
        if self._odd is not None:
            mirrored = np.where(self._odd & (sign < 0), -m, m)
            single = np.where(basis.odd & (sign < 0), -single, single)
        mt = (t[:, :, None] * mirrored[:, None, :]).reshape(len(m), -1)

        quantities = self._ckm_quantities(running, delta)
        m12, g12 = self._m12(quantities, factors["ckm"], "s")
        qp = _q_over_p(m12, g12)
        if "mixing" in self._parts:
            delta_m = _delta_m(qp, m12, g12)
            out[:, self._column["DeltaM_s"]] = abs(delta_m)
            out[:, self._column["S_psiphi"]] = _asymmetry(qp, delta_m, charm)
            m12, g12 = self._m12(quantities, factors["ckm"], "d")
            qp_d = _q_over_p(m12, g12)
            xi = _asymmetry(qp_d, _delta_m(qp_d, m12, g12), factors["ckm"]["d"][2])
            out[:, self._column["S_psiK"]] = -xi  # a final state of odd CP
        if "b2q" in self._parts:
            out[:, self._b2q_columns] = mt[:, : len(self._small)] @ self._small
            c = mt[:, : len(self._coefficients)] @ self._coefficients
            second = self._second(single).reshape(len(m), self._n_second, -1)
            if self._n_second > 1:
                second *= basis.masses(points, self._n_second)[:, :, None]
            c += second.sum(axis=1)
            real, imag = np.split(c, 2, axis=1)
            c = real + 1j * sign * imag
            self._evaluate_b2q(out, factors, c, mixing_phases(top, qp), safe[:, 1])
        if "taylor" in self._parts:
            taylor = chebyshev(delta, N_DELTA_BASE) @ self._base
            taylor += mt[:, : len(self._slopes)] @ self._slopes
            if self._squared.size:
                squares = self._squares(mirrored).reshape(len(m), self._n_squared, -1)
                taylor[:, self._squared] += np.einsum(
                    "na,nao->no", t[:, : self._n_squared], squares
                )
            taylor *= np.where(sign < 0, self._parity, 1)
            taylor += (safe[:, :3] - self.table.ckm_sm[:3]) @ self._ckm_slopes
            out[:, self._taylor] = taylor
        if "electroweak" in self._parts:
            values = m @ self._ew_linear + self._ew_base
            out[:, self._ew] = values + self._ew_quadratic(m) * self._ew_unit
        if "lep2" in self._parts:
            at_mz = dict(zip(lep2.COEFFICIENTS, (m @ self._to_lep2).T, strict=True))
            out[:, self._lep2] = lep2.predictions(at_mz)

        out[failed] = np.nan
        return ckm

    def _evaluate_b2q(
        self, out: np.ndarray, factors: dict, c: np.ndarray, phases: dict, vcb: np.ndarray
    ) -> None:
        values = np.empty((self._n_primitives, len(out)))
        values[0] = 1
        features: dict[tuple, np.ndarray] = {}
        for group in self._forms:
            key = (group.q, group.c.start, group.phase)
            if key not in features:
                own = factors[group.phase][group.q]
                scale = own[0] / factors["none"][group.q][0]
                own_c = scale[:, None] * c[:, group.c]
                features[key] = forms_of(own, own_c, phases.get(group.phase)).T
            result = group.matrix @ features[key]
            if group.vcb:
                result *= (vcb / self.table.ckm_sm[1]) ** group.vcb
            values[group.out] = result
        a, b = self._pairs
        inverse = values[a] * values[b]
        np.sqrt(inverse, out=inverse)
        np.divide(1, inverse, out=inverse)
        (o1, n1, p1), (o2, n2, p2) = self._fractions
        out[:, o1] += (values[n1] * inverse[p1]).T
        out[:, o2] += (values[n2] * inverse[p2]).T

    # -- meson mixing and the CKM matrix

    def _at_points(self, m: np.ndarray) -> list[np.ndarray]:
        """Chebyshev expansions of `_ckm_quantities`, shape (n_ckm, 7, n); CP-odd parts apart."""
        parts = [m] if self._odd is None else [m * ~self._odd, m * self._odd]
        return [(self._ckm_running @ x.T).reshape(self._n_ckm, -1, len(m)) for x in parts]

    def _ckm_quantities(self, running: list[np.ndarray], delta: np.ndarray) -> np.ndarray:
        """Relative shifts of the tree-level inputs, M12 of B_s and B0 (Re, Im), shape (7, n)."""
        t = chebyshev(delta, self._n_ckm).T
        sign = np.copysign(1, delta)
        result = 0.0
        for expansion, parity in zip(running, (1.0, sign), strict=False):
            own = expansion[0] * t[0]
            for a in range(1, self._n_ckm):
                own += expansion[a] * t[a]
            result = result + own * parity
        result[4::2] *= sign
        return result

    def _m12(self, quantities: np.ndarray, factors: dict, q: str) -> tuple[np.ndarray, np.ndarray]:
        """M12 and Γ12 of B_s or B0; flavio takes Γ12 from the Standard Model."""
        top, up, _ = factors[q]
        sm, (c, a) = self._mixing[q]
        first = 3 if q == "s" else 5
        m12_sm = sm * top**2
        m12 = m12_sm + quantities[first] + 1j * quantities[first + 1]
        return m12, m12_sm * (c + a * up / top)

    def _extract_ckm(self, running: list[np.ndarray]) -> np.ndarray:
        """Vus, Vcb, Vub and gamma as in smelli's ``ckm_np``, NaN where it fails.

        Parameters
        ----------
        running : list of ndarray, shape (n_ckm, 7, n)
            From `_at_points`.
        """
        ckm = np.tile(self._ckm_initial, (running[0].shape[2], 1))
        with np.errstate(invalid="ignore"):
            for _ in range(_CKM_ITERATIONS):
                delta = ckm_delta(ckm)
                q = self._ckm_quantities(running, delta)
                factors = ckm_factors(ckm, delta)
                delta_m = {}
                for meson in ("s", "d"):
                    m12, g12 = self._m12(q, factors, meson)
                    delta_m[meson] = abs(_delta_m(_q_over_p(m12, g12), m12, g12))
                ratio = delta_m["d"] / delta_m["s"] / _mixing_ratio(ckm)
                tree = self._ckm_tree[:, None] + q[:3]
                f1, f2, f3 = self._ckm_experiment[:3, None] / tree
                ckm = _from_factors(f1, f2, f3, self._ckm_experiment[3] / ratio)
        return ckm


def _contract(running: Running, port: Port, part: dict, path: str) -> np.ndarray:
    """Slopes in the coefficients of a port → slopes in the monomials, (N_DELTA, k, n)."""
    slopes = part[f"{path}/slopes"]
    values = running.select(port, json.loads(part[f"{path}/names"]))
    if slopes.ndim == 3:  # the same at every δ
        slopes = np.broadcast_to(slopes[:, None], (2, N_DELTA, *slopes.shape[1:]))
    return values.real @ slopes[0] + values.imag @ slopes[1]


def _expand(values: np.ndarray) -> np.ndarray:
    """Chebyshev expansion along the first axis, without its negligible tail."""
    expansion = chebyshev_coefficients(values)
    size = np.abs(expansion).max(axis=(0, 1))
    relative = np.abs(expansion) / np.where(size == 0, 1, size)
    needed = np.flatnonzero(relative.max(axis=(1, 2)) > _TAIL)
    return expansion[: needed[-1] + 1 if needed.size else 1]


def _flatten(values: np.ndarray) -> np.ndarray:
    """(δ node, monomial, quantity) → rows of the expansion in Chebyshev polynomial × monomial."""
    expansion = _expand(values)
    return np.ascontiguousarray(expansion.reshape(-1, expansion.shape[2]))


def _q_over_p(m12: np.ndarray, g12: np.ndarray) -> np.ndarray:
    """q/p, as `flavio.physics.mesonmixing.common.q_over_p`."""
    return -np.sqrt((2 * m12.conj() - 1j * g12.conj()) / (2 * m12 - 1j * g12))


def _delta_m(qp: np.ndarray, m12: np.ndarray, g12: np.ndarray) -> np.ndarray:
    """Mass difference, as `flavio.physics.mesonmixing.common.DeltaM`."""
    return -2 * (qp * (m12 - 0.5j * g12)).real


def _asymmetry(qp: np.ndarray, delta_m: np.ndarray, charm: np.ndarray) -> np.ndarray:
    """Mixing-induced asymmetry of b → c c s, as `flavio.physics.mesonmixing.observables.S`."""
    xi = np.where(delta_m < 0, -qp, qp) * charm / charm.conj()
    return -2 * xi.imag / (1 + abs(xi) ** 2)


def _mixing_ratio(ckm: np.ndarray) -> np.ndarray:
    """|V_tb V_td|² / |V_tb V_ts|² as smelli's ``ckm_fac`` has it."""
    vus, vcb, vub, gamma = ckm.T
    vus2, vcb2, vub2 = vus**2, vcb**2, vub**2
    root = np.sqrt((vcb2 + vub2 - 1) * (vub2 + vus2 - 1))
    interference = 2 * vcb * vub * vus * root * np.cos(gamma)
    top = vcb2 * vus2 + vub2 * (vcb2 + vub2 - 1) * (vub2 + vus2 - 1) - interference
    bottom = vcb2 * (vub2 - 1) + (vcb2 + (vcb2 - 1) * vub2 + vub2**2) * vus2 - interference
    return -top / bottom


def _from_factors(f1: np.ndarray, f2: np.ndarray, f3: np.ndarray, f4: np.ndarray) -> np.ndarray:
    """Inverse of the CKM prefactors, smelli's ``get_ckm``; NaN where |cos γ| > 1."""
    numerator = (f3 - 1) * (f3 - f3 * (f2 + f3) - f2 * f4 + f1 * (f2 + f3 * (f2 + f3 - 1) * f4))
    root = np.sqrt((f3 - 1) * (f2 + f3 - 1) / (1 + f1))
    denominator = 2 * np.sqrt(1 + f1) * np.sqrt(f2) * np.sqrt(f3) * np.sqrt(f1 - f1 * f3)
    cos_gamma = -numerator / (denominator * (root + root * f4))
    vus = np.sqrt(f1 - f1 * f3) / np.sqrt(1 + f1)
    return np.stack([vus, np.sqrt(f2), np.sqrt(f3), np.arccos(cos_gamma)], axis=1)
