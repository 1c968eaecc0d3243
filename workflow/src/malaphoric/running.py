"""A model's coefficients where flavio reads them: run from M_X by a map that serves every vector.

Here lives the evaluation in plain numpy; the map comes with the package and is made in `evolving`,
which also asks wilson for what it does not hold.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np

from malaphoric import compiled, lep2, store
from malaphoric.compiled import CKM, N_DELTA, Port, Running, Table
from malaphoric.schema import ConfigurationError

if TYPE_CHECKING:
    from malaphoric.model import Model

#: Root attributes of the map's file; the format changes when this module reads it differently.
CONTENT, FORMAT = "malaphoric running of all vector bosons", 1

PACKAGED = files(__package__).joinpath("data", "running.h5")

#: ln(M_X/GeV) between which the map holds.
LOG_M_X = (np.log(500.0), np.log(100e3))

#: Sectors of b → q l l and b → q γ, whose ports have a second order.
B_TO_Q = ("sb", "db")

#: Largest |C| of a neglected b → q coefficient (flavio's normalisation; C_S, C_P in 1/GeV) that a
#: model may generate per unit coupling squared. Dipoles and (pseudo)scalars arise by running only:
#: in practice 1e-8 and, for the τ at M_X = 10 TeV, 2e-4, growing with ln M_X; 1e-3 would be visible
#: in B_s → l l at couplings of 1.
_NEGLECTED = {"C7": 1e-5, "C8": 1e-5, "CS": 5e-4, "CP": 5e-4}

# Where the map's first step ends, which is a port of its own.
_MZ = Port(lep2.SCALE, "SMEFT", "Warsaw", "all")


class Component(NamedTuple):
    """Real or imaginary part ("re", "im") of a coefficient, by its WCxf name."""

    name: str
    part: str


def parts(coefficients: dict[str, complex]) -> dict[Component, float]:
    """Real and imaginary parts of coefficients by name, those that are not zero."""
    return {
        Component(name, part): float(number)
        for name, value in coefficients.items()
        for part, number in (("re", np.real(value)), ("im", np.imag(value)))
        if number
    }


def nodes(n: int) -> np.ndarray:
    """Chebyshev nodes of ln(M_X/GeV), shape (n,)."""
    low, high = LOG_M_X
    return (low + high) / 2 + (high - low) / 2 * np.cos((np.arange(n) + 0.5) * np.pi / n)


def _weights(M_X: float, n: int) -> np.ndarray:
    """What values at `nodes` count at a mass, shape (n,)."""
    at = nodes(n)
    others = ~np.eye(n, dtype=bool)
    return np.array(
        [np.prod((np.log(M_X) - at[o]) / (at[i] - at[o])) for i, o in enumerate(others)]
    )


def neglected(port: Port) -> list[str]:
    """Coefficients of a b → q port that the tables leave out."""
    q = port.sector[0]
    dipoles = [f"{c}{p}_b{q}" for c in ("C7", "C8") for p in ("", "p")]
    leptons = [f"{lep}{lep}" for lep in compiled.LEPTONS]
    scalars = [f"{c}{p}_b{q}{lep}" for c in ("CS", "CP") for p in ("", "p") for lep in leptons]
    return dipoles + scalars


def _refuse_neglected(found: dict[str, float], name: str) -> None:
    """Complain about b → q coefficients that the tables leave out, at |couplings| = 1."""
    for coefficient, value in found.items():
        limit = _NEGLECTED[coefficient.split("_")[0].removesuffix("p")]
        if value > limit:
            raise ConfigurationError(
                f"model {name}: {coefficient} = {value:.1e} per unit coupling squared, which the "
                f"tables neglect (limit {limit}): not accepted by the compiled engine; accepted: "
                "`engine: exact`"
            )


# ----------------------------------------------------------------------------------------- the map


@dataclass
class _Sparse:
    """A matrix by its entries, or several of the same shape and places: one for each node."""

    shape: tuple[int, int]
    where: np.ndarray
    values: np.ndarray

    @classmethod
    def read(cls, group: h5py.Group) -> _Sparse:
        shape = tuple(int(n) for n in group.attrs["shape"])
        return cls(shape, group["where"][()], group["values"][()])

    def dense(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The matrix, or those of the nodes along a first axis, or their weighted sum."""
        values = self.values if weights is None else weights @ self.values
        result = np.zeros((*values.shape[:-1], self.shape[0] * self.shape[1]), values.dtype)
        result[..., self.where] = values
        return result.reshape(*values.shape[:-1], *self.shape)

    def after(self, x: np.ndarray) -> np.ndarray:
        """The product of x with the matrix, whose few entries are gone through one by one."""
        rows, columns = np.divmod(self.where, self.shape[1])
        result = np.zeros((self.shape[1], len(x)))
        np.add.at(result, columns, (x[:, rows] * self.values).T)
        return result.T


@dataclass
class Map:
    """Running of all coefficients that a vector boson can generate, as `evolving.make_map` made it.

    Attributes
    ----------
    versions : dict
        Versions of smelli, flavio and wilson it was made with.
    inputs, components : list of Component
        Coefficients at M_X, and at m_Z.
    names : dict of Port to list of str
        Coefficients at each port.
    """

    versions: dict[str, str]
    inputs: list[Component]
    components: list[Component]
    names: dict[Port, list[str]]
    _first: _Sparse
    _shifts: np.ndarray
    _top: _Sparse
    _rotations: list[_Sparse]
    _z_shift: np.ndarray
    _z: _Sparse
    _ports: dict[Port, _Sparse]

    @classmethod
    def load(cls, path: str | Path | None = None) -> Map:
        """Read a map (default: the one that comes with the package).

        Raises
        ------
        malaphoric.store.StoreError
            If it was made with other versions of smelli, flavio or wilson than installed, or for
            another version of this module, or is damaged.
        """
        if path is None:
            return _packaged()
        with _open(path) as file:
            second = file["second"]
            ports = {Port.parse(label): group for label, group in file["ports"].items()}
            return cls(
                versions=store.parse(file.attrs["versions"]),
                inputs=[Component(*c) for c in store.parse(file.attrs["inputs"])],
                components=[Component(*c) for c in store.parse(file.attrs["components"])],
                names={port: json.loads(group.attrs["names"]) for port, group in ports.items()},
                _first=_Sparse.read(file["first"]),
                _shifts=second["shifts"][()],
                _top=_Sparse.read(second["top"]),
                _rotations=[_Sparse.read(second[f"rotations/{i}"]) for i in range(8)],
                _z_shift=second["z_shift"][()],
                _z=_Sparse.read(second["z"]),
                _ports={port: _Sparse.read(group) for port, group in ports.items()},
            )

    def inputs_of(self, coefficients: dict[str, complex]) -> np.ndarray:
        """Coefficients at M_X as the map takes them, shape (n_inputs,)."""
        result = np.zeros(len(self.inputs))
        index = {component: i for i, component in enumerate(self.inputs)}
        for component, value in parts(coefficients).items():
            result[index[component]] = value
        return result

    def holds(self, port: Port, names: list[str]) -> bool:
        """Whether the map has these coefficients at a port."""
        return set(names) <= set(self.names.get(port, ()))

    def to_mz(self, x: np.ndarray, M_X: float) -> np.ndarray:
        """Coefficients at m_Z in leading logarithms, shape (n, n_components), from n of M_X."""
        return x @ self._first.dense(_weights(M_X, len(self._first.values)))

    def second_order(self, x: np.ndarray, at_mz: np.ndarray, M_X: float) -> np.ndarray:
        """Products of two coefficients at M_X in those at m_Z, so far as b → q l l feels them.

        Parameters
        ----------
        x : ndarray, shape (n, n_inputs)
            Coefficients at M_X.
        at_mz : ndarray, shape (n, n_components)
            To first order, by `to_mz`.
        M_X : float
            In GeV.

        Returns
        -------
        ndarray, shape (n (n + 1) / 2, n_components)
            For pairs of the n, upper triangle.
        """
        weights = _weights(M_X, len(self._shifts))
        shifts = x @ np.tensordot(weights, self._shifts, axes=1)
        shifts = np.concatenate([shifts, (at_mz @ self._z_shift)[:, None]], axis=1)
        changed = [x @ self._top.dense(weights)]
        changed += [matrix.after(at_mz) for matrix in (*self._rotations, self._z)]
        full = np.einsum("ka,amc->kmc", shifts, np.array(changed))
        k, m = np.triu_indices(len(x))
        return (full[k, m] + full[m, k]) * np.where(k == m, 0.5, 1.0)[:, None]

    def to_port(self, port: Port, names: list[str]) -> np.ndarray:
        """Coefficients of a port for those at m_Z, shape (N_DELTA, n_components, n_names)."""
        columns = [self.names[port].index(name) for name in names]
        return self._ports[port].dense()[:, :, columns]


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[h5py.File]:
    with store.read(path) as file:
        compiled.check_file(file, str(path), CONTENT, FORMAT)
        yield file


@cache
def _packaged() -> Map:
    with as_file(PACKAGED) as path:
        return Map.load(path)


def check_tables() -> None:
    """Refuse the table and the map of the package as loading would, in milliseconds.

    Raises
    ------
    malaphoric.store.StoreError
        If they were made with other versions of smelli, flavio or wilson than installed, or for
        another version of this package, or are damaged or missing.
    """
    compiled.check_table()
    with as_file(PACKAGED) as path, _open(path):
        pass


# ----------------------------------------------------------------------------------------- a model


def run(
    model: Model,
    M_X: float = 3000.0,
    smeft_accuracy: str = "leadinglog",
    table: Table | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Running:
    """Running of a model: from its couplings at M_X to the coefficients at every port.

    wilson is asked for what the map does not hold: `smeft_accuracy: integrate`, masses beyond
    `LOG_M_X`, and ports of additional observables.

    Parameters
    ----------
    model : Model
    M_X : float
        Mass of the X boson and matching scale, in GeV.
    smeft_accuracy : {"leadinglog", "integrate"}
        Accuracy of wilson's running in the SMEFT.
    table : compiled.Table, optional
        Says which coefficients are needed (default: the table of the package).
    progress : callable, optional
        Called with a line of text now and then.

    Returns
    -------
    compiled.Running

    Raises
    ------
    ConfigurationError
        If the model's coefficients are not in the span of `compiled.monomials`, or if it generates
        b → q coefficients that the table neglects.
    """
    table, held = table or Table.load(), Map.load()
    directions = _directions(model, M_X)
    x = np.array([held.inputs_of(direction) for direction in directions])
    inside = smeft_accuracy == "leadinglog" and LOG_M_X[0] <= np.log(M_X) <= LOG_M_X[1]
    if inside:
        at_mz = held.to_mz(x, M_X)
        named = [_by_name(held.components, row) for row in at_mz]
    else:
        progress("from M_X to m_Z by wilson")
        named = [_asked_to_mz(direction, M_X, smeft_accuracy) for direction in directions]
        at_mz = np.array([_by_component(held.components, row) for row in named])
    products = held.second_order(x, at_mz, float(np.clip(M_X, *np.exp(LOG_M_X))))
    names = table.ports()
    names[_MZ] = sorted({*names.get(_MZ, []), *lep2.COEFFICIENTS})
    every = {
        port: [*names[port], *(neglected(port) if port.sector in B_TO_Q else ())] for port in names
    }
    values = {_MZ: np.tile(_columns(named, every[_MZ]), (N_DELTA, 1, 1))}
    second = {}
    at_nodes = compiled.chebyshev(compiled.chebyshev_nodes(N_DELTA), N_DELTA)
    at_sm = compiled.chebyshev(compiled.ckm_delta(table.ckm_sm[None]), N_DELTA)
    asked = {}
    for port in sorted(set(names) - {_MZ}):
        if inside and held.holds(port, every[port]):
            matrix = held.to_port(port, every[port])
            values[port] = np.tensordot(at_nodes, at_mz @ matrix, axes=1)
            if port.sector in B_TO_Q:
                second[port] = np.tensordot(at_sm, products @ matrix, axes=1)[0]
        else:
            asked[port] = every[port]
    if asked:
        progress("from m_Z down by wilson")
        ask = partial(_asked_to_ports, asked, table.ckm_sm)
        found = [ask(named, gamma) for gamma in compiled.gamma_nodes(table.ckm_sm, N_DELTA)]
        values |= {port: np.array([f[port] for f in found]) for port in asked}
        below = {port: n for port, n in asked.items() if port.sector in B_TO_Q}
        rows = [_by_name(held.components, row) for row in products] if below else []
        second |= _asked_to_ports(below, table.ckm_sm, rows, table.ckm_sm[3])
    for port in second:
        n = len(names[port])
        second[port] = second[port][:, :n]
        largest = abs(values[port][:, :, n:]).max(axis=(0, 1))
        _refuse_neglected(dict(zip(every[port][n:], largest, strict=True)), model.name)
        values[port] = values[port][:, :, :n]
    return Running(
        model=model.as_dict(),
        M_X=float(M_X),
        smeft_accuracy=smeft_accuracy,
        versions=store.versions(),
        table=table.digest,
        names=names,
        values=values,
        second=second,
    )


def _by_name(components: list[Component], row: np.ndarray) -> dict[str, complex]:
    """Coefficients by name from their components."""
    result: dict[str, complex] = {}
    for (name, part), value in zip(components, row.tolist(), strict=True):
        if value:
            result[name] = result.get(name, 0) + (1j * value if part == "im" else value)
    return result


def _by_component(components: list[Component], named: dict[str, complex]) -> np.ndarray:
    """The inverse of `_by_name`; what has no component is left out."""
    found = parts(named)
    return np.array([found.get(component, 0.0) for component in components])


def _columns(rows: list[dict[str, complex]], names: list[str]) -> np.ndarray:
    return np.array([[row.get(name, 0) for name in names] for row in rows], dtype=complex)


def _asked_to_mz(
    direction: dict[str, float], M_X: float, smeft_accuracy: str
) -> dict[str, complex]:
    """What wilson makes of a direction at m_Z, by name."""
    from malaphoric import evolving

    if not direction:
        return {}
    small = 1e-3  # of couplings of 1: there it is linear
    given = {name: small * value for name, value in direction.items()}
    found = evolving.to_mz(given, M_X, smeft_accuracy)
    return {name: value / small for name, value in found.items()}


def _asked_to_ports(
    names: dict[Port, list[str]],
    ckm: np.ndarray,
    rows: list[dict[str, complex]],
    gamma: float,
) -> dict[Port, np.ndarray]:
    """What wilson makes of coefficients at m_Z at ports, shape (n, n_names) each."""
    from malaphoric import evolving

    ckm = dict(zip(CKM, map(float, ckm), strict=True)) | {"gamma": float(gamma)}
    result = {port: np.zeros((len(rows), len(own)), complex) for port, own in names.items()}
    for i, row in enumerate(rows):
        if row:
            small = 1e-9 / max(map(abs, row.values()))  # GeV^-2: there matching is linear
            given = {name: small * value for name, value in row.items()}
            for port, found in evolving.to_ports(given, ckm, names).items():
                result[port][i] = [found.get(name, 0) / small for name in names[port]]
    return result


def _directions(model: Model, M_X: float) -> list[dict[str, float]]:
    """SMEFT coefficients multiplying each of `compiled.monomials`."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-1.5, 0.0, -1.5], [1.5, 1.0, 1.5], (60, 3))
    coefficients = model.smeft(*points.T, M_X=M_X)
    names = sorted(coefficients)
    matrix = np.array([np.broadcast_to(coefficients[n], len(points)) for n in names]).T
    features = compiled.monomials(points)
    solution = np.linalg.lstsq(features, matrix, rcond=None)[0]
    if np.abs(features @ solution - matrix).max() > 1e-10 * np.abs(matrix).max():
        raise ConfigurationError(
            f"model {model.name}: SMEFT coefficients that are not quadratic in the couplings with "
            "harmonics of theta_sb up to the fourth: not accepted by the compiled engine; "
            "accepted: `engine: exact`"
        )
    solution[np.abs(solution) < 1e-13 * np.abs(solution).max()] = 0
    return [{n: float(x) for n, x in zip(names, row, strict=True) if x} for row in solution]
