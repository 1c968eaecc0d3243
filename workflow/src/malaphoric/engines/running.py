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

from malaphoric import store
from malaphoric.data import categories, lep2, overlays
from malaphoric.engines import basis, compiled
from malaphoric.engines.basis import LOG_M_X, weights
from malaphoric.engines.compiled import AT_MZ, B_TO_Q, CKM, D_MIXING, N_DELTA, Port, Running, Table

if TYPE_CHECKING:
    from malaphoric.physics.model import Model

#: Root attributes of the map's file; the format changes when this module reads it differently.
CONTENT, FORMAT = "malaphoric running of all vector bosons", 2

PACKAGED = files("malaphoric.data").joinpath("running.h5")


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


# ----------------------------------------------------------------------------------------- the map


@dataclass
class _Sparse:
    """A matrix by its entries, or several of the same shape and places: one for each node."""

    shape: tuple[int, int]
    where: np.ndarray
    values: np.ndarray

    @classmethod
    def read(cls, group: h5py.Group) -> _Sparse:
        rows, columns = (int(n) for n in group.attrs["shape"])
        return cls((rows, columns), group["where"][()], group["values"][()])

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
    _by_ckm: dict[str, dict[Port, _Sparse]]

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
                _rotations=[
                    _Sparse.read(second[f"rotations/{i}"]) for i in range(len(second["rotations"]))
                ],
                _z_shift=second["z_shift"][()],
                _z=_Sparse.read(second["z"]),
                _ports={port: _Sparse.read(group) for port, group in ports.items()},
                _by_ckm={
                    element: {Port.parse(label): _Sparse.read(x) for label, x in group.items()}
                    for element, group in file["by_ckm"].items()
                },
            )

    @property
    def masses(self) -> tuple[list[float], list[float]]:
        """Masses in GeV between which first and second order are interpolated."""
        first, second = (np.exp(basis.nodes(len(x))) for x in (self._first.values, self._shifts))
        return first.tolist(), second.tolist()

    def holds(self, port: Port, names: list[str]) -> bool:
        """Whether the map has these coefficients at a port."""
        return set(names) <= set(self.names.get(port, ()))

    def to_mz(self, x: np.ndarray, M_X: float) -> np.ndarray:
        """Coefficients at m_Z in leading logarithms, shape (n, n_components), from n of M_X."""
        return x @ self._first.dense(weights(M_X, len(self._first.values)))

    def second_order(self, x: np.ndarray, at_mz: np.ndarray, M_X: float) -> np.ndarray:
        """Products of two coefficients at M_X in those at m_Z, as b → q and D mixing feel them.

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
        at = weights(M_X, len(self._shifts))
        shifts = x @ np.tensordot(at, self._shifts, axes=1)
        shifts = np.concatenate([shifts, (at_mz @ self._z_shift)[:, None]], axis=1)
        changed = [x @ self._top.dense(at)]
        changed += [matrix.after(at_mz) for matrix in (*self._rotations, self._z)]
        full = np.einsum("ka,amc->kmc", shifts, np.array(changed))
        k, m = np.triu_indices(len(x))
        return (full[k, m] + full[m, k]) * np.where(k == m, 0.5, 1.0)[:, None]

    def to_port(self, port: Port, names: list[str]) -> np.ndarray:
        """Coefficients of a port for those at m_Z, shape (N_DELTA, n_components, n_names)."""
        columns = [self.names[port].index(name) for name in names]
        return self._ports[port].dense()[:, :, columns]

    def by_ckm(self, port: Port, names: list[str]) -> np.ndarray:
        """Change of `to_port` with ln V_cb and ln V_ub, along a first axis."""
        columns = [self.names[port].index(name) for name in names]
        changes = [self._by_ckm[element][port] for element in CKM[1:3]]
        return np.array([change.dense()[:, :, columns] for change in changes])


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[h5py.File]:
    with store.read(path) as file:
        store.check_packaged(file, str(path), CONTENT, FORMAT)
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
        If they were made with other versions of smelli, flavio or wilson than installed, for
        another version of this package or other categories, or are damaged or missing.
    """
    compiled.check_table()
    with as_file(PACKAGED) as path, _open(path):
        pass
    names = overlays.known()
    if names and set(names["observables"]) != set(categories.CATEGORIES):
        raise store.StoreError(
            f"{overlays.NAMES}: made for other categories than {', '.join(categories.CATEGORIES)}; "
            "remake it (`make table` in the project's folder)"
        )


# ----------------------------------------------------------------------------------------- a model


def run(
    model: Model,
    M_X: float | None = 3000.0,
    smeft_accuracy: str = "leadinglog",
    table: Table | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Running:
    """Running of a model: from its couplings at M_X to the coefficients at every port.

    wilson is asked for what the map does not hold: `smeft_accuracy: integrate`, masses beyond
    `basis.LOG_M_X`, and ports of additional observables.

    Parameters
    ----------
    model : Model
    M_X : float or None
        Mass of the X boson and matching scale, in GeV; None where it is a parameter.
    smeft_accuracy : {"leadinglog", "integrate"}
        Accuracy of wilson's running in the SMEFT.
    table : compiled.Table, optional
        Says which coefficients are needed (default: the table of the package).
    progress : callable, optional
        Called with a line of text now and then.

    Returns
    -------
    compiled.Running
    """
    table, held = table or Table.load(), Map.load()
    found, x = basis.find(model, M_X, held.inputs)
    masses, masses_second = held.masses if M_X is None else ([M_X], [M_X])
    low, high = np.exp(LOG_M_X)
    inside = smeft_accuracy == "leadinglog" and min(masses) >= low and max(masses) <= high
    if not inside:
        progress("from M_X to m_Z by wilson")
    at_mz, named = _to_mz(held, x, masses, smeft_accuracy if not inside else None)
    products = np.concatenate(
        [
            held.second_order(x, rows, float(np.clip(mass, low, high)))
            for mass, rows in zip(
                masses_second, _at(masses_second, masses, at_mz, len(x)), strict=True
            )
        ]
    )
    names = table.ports()
    names[AT_MZ] = sorted({*names.get(AT_MZ, []), *lep2.COEFFICIENTS})
    values = {AT_MZ: np.tile(_columns(named, names[AT_MZ]), (N_DELTA, 1, 1))}
    second: dict[Port, np.ndarray] = {}
    by_ckm: dict[Port, np.ndarray] = {}
    asked = {port: own for port, own in names.items() if port != AT_MZ}
    for port in sorted(port for port in asked if held.holds(port, asked[port])):
        ours, second_here, change = _by_map(held, port, names[port], table, at_mz, products)
        second |= {} if second_here is None else {port: second_here}
        by_ckm |= {} if change is None else {port: change}
        if inside:
            values[port] = ours
            del asked[port]
    if asked:
        progress("from m_Z down by wilson")
        ask = partial(_asked_to_ports, ckm=table.ckm_sm)
        nodes = compiled.gamma_nodes(table.ckm_sm, N_DELTA)
        answers = [ask(asked, rows=named, gamma=gamma) for gamma in nodes]
        values |= {port: np.array([f[port] for f in answers]) for port in asked}
        below = {p: n for p, n in asked.items() if p.sector in B_TO_Q and p not in second}
        rows = [_by_name(held.components, row) for row in products] if below else []
        second |= ask(below, rows=rows, gamma=table.ckm_sm[3])
    return Running(
        basis=found,
        smeft_accuracy=smeft_accuracy,
        versions=store.versions(),
        table=table.digest,
        names=names,
        values=values,
        second=second,
        by_ckm=by_ckm,
    )


def _by_map(
    held: Map,
    port: Port,
    names: list[str],
    table: Table,
    at_mz: np.ndarray,
    products: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """A port's `Running.values`, `Running.second` and `Running.by_ckm`; None where it has none."""
    at_nodes = compiled.chebyshev(compiled.chebyshev_nodes(N_DELTA), N_DELTA).T
    matrix = held.to_port(port, names)
    values = np.tensordot(at_nodes, at_mz @ matrix, axes=1)
    if port.sector in B_TO_Q:
        at_sm = compiled.chebyshev(compiled.ckm_delta(table.ckm_sm[None]), N_DELTA).T
        return values, products @ np.tensordot(at_sm, matrix, axes=1)[0], None
    if port.sector == D_MIXING:
        second = np.tensordot(at_nodes, products @ matrix, axes=1)
        changes = [np.tensordot(at_nodes, at_mz @ x, axes=1) for x in held.by_ckm(port, names)]
        return values, second, np.array(changes)
    return values, None, None


def _to_mz(
    held: Map, x: np.ndarray, masses: list[float], asked: str | None
) -> tuple[np.ndarray, list[dict[str, complex]]]:
    """Coefficients at m_Z of monomials (n, n_inputs) for masses, as components and by name.

    By the map, or by wilson with the accuracy that is ``asked``.
    """
    if asked is None:
        at_mz = np.concatenate([held.to_mz(x, mass) for mass in masses])
        return at_mz, [_by_name(held.components, row) for row in at_mz]
    given = [_by_name(held.inputs, row) for row in x]
    named = [_asked_to_mz(row, mass, asked) for mass in masses for row in given]
    return np.array([_by_component(held.components, row) for row in named]), named


def _at(wanted: list[float], masses: list[float], at_mz: np.ndarray, n: int) -> np.ndarray:
    """Coefficients at m_Z of n monomials for some masses, from those for all masses."""
    by_mass = at_mz.reshape(len(masses), n, -1)
    if len(masses) == 1:
        return by_mass
    return np.tensordot(weights(np.array(wanted), len(masses)), by_mass, axes=1)


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
    direction: dict[str, complex], M_X: float, smeft_accuracy: str
) -> dict[str, complex]:
    """What wilson makes of a direction at m_Z, by name."""
    from malaphoric.engines import evolving

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
    from malaphoric.engines import evolving

    elements = dict(zip(CKM, map(float, ckm), strict=True)) | {"gamma": float(gamma)}
    result = {port: np.zeros((len(rows), len(own)), complex) for port, own in names.items()}
    for i, row in enumerate(rows):
        if row:
            small = 1e-9 / max(map(abs, row.values()))  # GeV^-2: there matching is linear
            given = {name: small * value for name, value in row.items()}
            for port, found in evolving.to_ports(given, elements, names).items():
                result[port][i] = [found.get(name, 0) / small for name in names[port]]
    return result
