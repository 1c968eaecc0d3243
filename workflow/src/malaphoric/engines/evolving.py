"""What is asked of wilson: running of given coefficients, and the map that `running` evaluates.

The map knows no model. Its inputs are all SMEFT coefficients at M_X that one heavy neutral vector
can generate: with Hermitian couplings to q, u and d, real ones to l, e and H. It has two linear
steps, because only the first knows M_X and only the second the CKM phase (wilson runs the SMEFT
with Standard Model parameters of its own): from M_X to m_Z, and from there to the ports.

Second order is kept where wilson's running is not quite linear, which for b → q l l and D mixing is
a relative 1e-4 at couplings of 1: coefficients change the top Yukawa coupling, the mass of the Z
and the basis of quarks in which the coefficients are given.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from malaphoric import store
from malaphoric.data import lep2
from malaphoric.engines import compiled
from malaphoric.engines.basis import LOG_M_X, nodes
from malaphoric.engines.compiled import B_TO_Q, D_MIXING, Port
from malaphoric.engines.running import CONTENT, FORMAT, Component, parts


class Rotation(NamedTuple):
    """Of two families of q, u or d into each other ("re", "im"), or of their relative phase."""

    field: str
    first: int
    other: int
    part: str


#: Rotations of the second order. Those of d and s alone would move kaons only, by too little.
ROTATIONS = tuple(
    Rotation(field, *families, part)
    for field, planes, parts_ in (
        ("q", ((0, 2), (1, 2), (0, 1)), ("re", "im")),
        ("d", ((0, 2), (1, 2)), ("re", "im")),
        ("u", ((0, 2), (1, 2), (0, 1)), ("re", "im")),
        ("q", ((0, 1),), ("phase",)),
        ("u", ((0, 1),), ("phase",)),
    )
    for families in planes
    for part in parts_
)

# Nodes in ln M_X of the first and of the second order.
_N_FIRST, _N_SECOND = 7, 3

# Entries that are left out: of the first step (meson mixing feels what is tiny), of the second
# order, and of the second step, relative to the largest of a port's coefficient.
_SMALLEST, _SMALLEST_SECOND, _SMALLEST_PORT = 1e-13, 1e-9, 1e-12

# Coefficients at M_X times M_X²: where running is linear, where its second order is seen, and where
# rotations are linear, of u with its small mass, too.
_LINEAR, _QUADRATIC, _ROTATING = 1e-7, 0.3, 3e-4

# Coefficients at m_Z in GeV^-2, where matching is linear.
_AT_MZ = 1e-9

# The top Yukawa coupling is moved by this coefficient, in GeV^-2.
_MOVES_TOP = {"uphi_33": 1e-8}

# CKM elements that D mixing depends on besides the phase, and their relative steps.
_ELEMENTS, _BY_CKM = ("Vcb", "Vub"), 1e-3

# Products of currents of leptons and of each field.
_CURRENTS = {"q": "lq1", "d": "ld", "u": "lu"}


def _probe(rotation: Rotation) -> tuple[str, str]:
    """A coefficient of leptons, with next to no running of its own, and where a rotation shows.

    Planes with the third family are seen by electrons, 12 by muons and phases by taus: so no probe
    shows what another is there for.
    """
    first, other, phase = rotation.first + 1, rotation.other + 1, rotation.part == "phase"
    lepton = 3 if phase else 1 if other == 3 else 2
    name = f"{_CURRENTS[rotation.field]}_{lepton}{lepton}"
    return f"{name}{first if phase else other}{other}", f"{name}{first}{other}"


def to_mz(
    coefficients: Mapping[str, complex], M_X: float, smeft_accuracy: str = "leadinglog"
) -> dict:
    """Coefficients of the SMEFT at m_Z.

    Parameters
    ----------
    coefficients : dict
        By WCxf name, Warsaw basis, at M_X, in GeV^-2.
    M_X : float
        In GeV.
    smeft_accuracy : {"leadinglog", "integrate"}
        wilson's option.

    Returns
    -------
    dict
        By WCxf name, Warsaw basis, in GeV^-2.
    """
    from wilson import Wilson

    w = Wilson(coefficients, scale=M_X, eft="SMEFT", basis="Warsaw")
    w.set_option("smeft_accuracy", smeft_accuracy)
    return w.match_run(lep2.SCALE, "SMEFT", "Warsaw").dict


def to_ports(
    coefficients: dict[str, complex], ckm: dict[str, float], ports: Iterable[Port]
) -> dict[Port, dict[str, complex]]:
    """Coefficients at ports from those of the SMEFT at m_Z.

    Parameters
    ----------
    coefficients : dict
        By WCxf name, Warsaw basis, at m_Z, in GeV^-2.
    ckm : dict
        Vus, Vcb, Vub and gamma (rad).
    ports : iterable of Port

    Returns
    -------
    dict of Port to dict
        By WCxf name of the port's basis.
    """
    from wilson import Wilson

    w = Wilson(coefficients, scale=lep2.SCALE, eft="SMEFT", basis="Warsaw")
    w.set_option("parameters", ckm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            port: w.match_run(
                port.scale, port.eft, port.basis, "all" if port.sector == "all" else (port.sector,)
            ).dict
            for port in ports
        }


# ------------------------------------------------------------------------------------ making a map


def inputs() -> list[Component]:
    """All coefficients that a vector boson can generate at M_X, real and imaginary parts apart."""
    from wilson import wcxf

    quarks = {"qq1", "uu", "dd", "ud1", "qu1", "qd1", "phiq1", "phiu", "phid"}
    one_lepton = {"lq1": 0, "lu": 0, "ld": 0, "eu": 0, "ed": 0, "qe": 2}
    leptons = {"ll", "ee", "le", "phil1", "phie"}
    result = []
    for sector in wcxf.Basis["SMEFT", "Warsaw"].sectors.values():
        for name, properties in sector.items():
            operator, _, indices = name.partition("_")
            if operator in leptons:
                pairs = [indices[i : i + 2] for i in range(0, len(indices), 2)]
                wanted = all(pair[0] == pair[1] for pair in pairs)
            elif operator in one_lepton:
                pair = indices[one_lepton[operator] :][:2]
                wanted = pair[0] == pair[1]
            else:
                wanted = operator in quarks or name in ("phiBox", "phiD")
            if wanted:
                real = bool(properties and properties.get("real"))
                result += [Component(name, part) for part in ("re", "im")[: 1 if real else 2]]
    return sorted(result)


def _times(component: Component, size: float) -> dict[str, complex]:
    return {component.name: size * (1j if component.part == "im" else 1.0)}


def _first(at: tuple[Component, float]) -> dict[Component, float]:
    """A unit coefficient at M_X, run to m_Z."""
    component, M_X = at
    size = _LINEAR / M_X**2
    return {
        c: x / size
        for c, x in parts(to_mz(_times(component, size), M_X)).items()
        if abs(x) > _SMALLEST * size
    }


def _top_yukawa(coefficients: Mapping[str, complex], M_X: float) -> float:
    """Top Yukawa coupling at M_X that gives the mass of the top with these coefficients."""
    from wilson import wcxf
    from wilson.run.smeft import SMEFT

    values = wcxf.WC.dict2values(coefficients)
    return abs(SMEFT(wcxf.WC("SMEFT", "Warsaw", M_X, values)).C_in["Gu"][2, 2])


def _sum(*terms: dict[str, complex]) -> dict[str, complex]:
    result: dict[str, complex] = {}
    for term in terms:
        for name, value in term.items():
            result[name] = result.get(name, 0) + value
    return result


@cache
def _reference(M_X: float) -> dict:
    """What `_second` compares with at a mass."""
    probe = {_probe(rotation)[0]: _QUADRATIC / M_X**2 for rotation in ROTATIONS}
    up, down = _MOVES_TOP, {name: -value for name, value in _MOVES_TOP.items()}
    top = _top_yukawa({}, M_X)
    return {
        "probe": probe,
        "top": top,
        "moved": (_top_yukawa(up, M_X) - _top_yukawa(down, M_X)) / (2 * top),
        "up": up,
        "down": down,
        "run": {name: to_mz(x, M_X) for name, x in (("probe", probe), ("up", up), ("down", down))},
    }


def _second(at: tuple[Component, float]) -> tuple[list[float], dict[Component, float]]:
    """What a unit coefficient at M_X changes, and how it changes with the top Yukawa coupling.

    Returns
    -------
    list of float
        Relative change of the top Yukawa coupling; `ROTATIONS`, which still contain what the top
        Yukawa coupling does to the probe.
    dict
        Derivative by the logarithm of the top Yukawa coupling of the coefficients at m_Z.
    """
    component, M_X = at
    size, reference = _ROTATING / M_X**2, _reference(M_X)
    x, run = _times(component, size), reference["run"]
    alone = to_mz(x, M_X)
    shifts = [(_top_yukawa(x, M_X) / reference["top"] - 1) / size]
    both = to_mz(_sum(x, reference["probe"]), M_X)
    for rotation in ROTATIONS:
        probe, name = _probe(rotation)
        found = both.get(name, 0) - alone.get(name, 0) - run["probe"].get(name, 0)
        found /= size * reference["probe"][probe]
        shifts.append(float(np.real(found) if rotation.part == "re" else np.imag(found)))
    size = _QUADRATIC / M_X**2
    x = _times(component, size)
    up, down = (to_mz(_sum(x, reference[sign]), M_X) for sign in ("up", "down"))
    names = sorted({*up, *down})
    change = {
        n: (up.get(n, 0) - run["up"].get(n, 0) - down.get(n, 0) + run["down"].get(n, 0))
        / (2 * size * reference["moved"])
        for n in names
    }
    return shifts, {c: x for c, x in parts(change).items() if abs(x) > _SMALLEST_SECOND}


def _rotated(components: list[Component]) -> list[dict[Component, float]]:
    """Unit coefficients of different operators at m_Z after each of `ROTATIONS`, to first order."""
    from wilson.run.smeft import SMEFT
    from wilson.util import smeftutil

    arrays = smeftutil.wcxf2arrays_symmetrized(_sum(*(_times(c, 1.0) for c in components)))
    for name, shape in smeftutil.C_keys_shape.items():
        arrays.setdefault(name, 0 if shape == 1 else np.zeros(shape))
    one, result = np.eye(3), []
    for rotation in ROTATIONS:
        i, j = rotation.first, rotation.other
        angle = np.zeros((3, 3), dtype=complex)
        if rotation.part == "phase":
            angle[i, i], angle[j, j] = 5e-5j, -5e-5j
        else:
            angle[i, j] = 1e-4 * (1j if rotation.part == "im" else 1.0)
            angle -= angle.conj().T
        ends = []
        for sign in (-1, 1):  # of this sign, a coefficient of b b gives one of q b
            by = {field: one + sign * angle if field == rotation.field else one for field in "qud"}
            turned = SMEFT._flavor_rotation(
                arrays, Uq=by["q"], Uu=by["u"], Ud=by["d"], Ul=one, Ue=one, sm_parameters=False
            )
            ends.append(smeftutil.arrays2wcxf_nonred(turned))
        change = {n: (ends[0].get(n, 0) - ends[1].get(n, 0)) / 2e-4 for n in {*ends[0], *ends[1]}}
        result.append({c: x for c, x in parts(change).items() if abs(x) > 1e-6})
    return result


def _of_different_operators(components: list[Component]) -> list[list[Component]]:
    """Groups in which each operator is there once: a rotation does not mix operators."""
    by_operator: dict[str, list[Component]] = {}
    for component in components:
        by_operator.setdefault(_operator(component), []).append(component)
    columns = itertools.zip_longest(*by_operator.values())
    return [[c for c in column if c is not None] for column in columns]


def _operator(component: Component) -> str:
    return component.name.partition("_")[0]


def _z_mass() -> tuple[dict[Component, float], dict[Component, dict[Component, float]]]:
    """The shift of ln m_Z² by coefficients at m_Z, and what it does to b → q l l there.

    wilson's matching to the WET is linear in the coefficients, at given m_W, apart from the v and
    m_Z that belong to the measured G_F and alpha: Jenkins, Manohar, Stoffer, arXiv:1709.04486.
    """
    from wilson import parameters

    p = parameters.p
    v2 = 1 / (np.sqrt(2) * p["GF"])
    sin2 = 4 * np.pi * p["alpha_e"] / (4 * p["m_W"] ** 2 / v2)
    to_v = v2 / 4 * 2 * sin2 / (1 - sin2)  # d ln m_Z² / d ln v, and d ln v
    shift = {Component("phiD", "re"): v2 / 2, Component("ll_1221", "re"): -2 * to_v}
    shift |= {Component(f"phil3_{i}{i}", "re"): 2 * to_v for i in (1, 2)}
    change: dict = {}
    size = 2 * (1 - sin2)  # 2 m_W² / m_Z²
    for current, (left, right) in {
        "phiq1": ("lq1_{l}{q}", "qe_{q}{l}"),
        "phiq3": ("lq1_{l}{q}", "qe_{q}{l}"),
        "phid": ("ld_{l}{q}", "ed_{l}{q}"),
    }.items():
        for q, part in itertools.product(("13", "23"), ("re", "im")):
            change[Component(f"{current}_{q}", part)] = {
                Component(name.format(l=f"{i}{i}", q=q), part): size
                for name in (left, right)
                for i in (1, 2, 3)
            }
    return shift, change


def _ports_of(
    at: tuple[Component, tuple[Port, ...]], ckm: list[dict[str, float]]
) -> tuple[dict[Port, dict[str, np.ndarray]], ...]:
    """A unit coefficient at m_Z, run to the ports: shape (n_ckm,) each.

    Returns
    -------
    tuple of dict
        Coefficients, and for D mixing what they change by with ln V_cb and with ln V_ub.
    """
    component, ports = at
    result: dict[Port, dict[str, np.ndarray]] = {}
    for j in (0, len(ckm) - 1, *range(1, len(ckm) - 1)):
        for port, found in to_ports(_times(component, _AT_MZ), ckm[j], ports).items():
            for name, value in found.items():
                if not value:
                    continue
                row = result.setdefault(port, {}).setdefault(name, np.zeros(len(ckm), complex))
                row[j] = value / _AT_MZ
        if j == len(ckm) - 1:  # what the first and the last phase do not reach, none does
            ports = tuple(result)
    changes: tuple[dict, ...] = ({}, {})
    for port in result:
        if port.sector != D_MIXING:
            continue
        for element, change in zip(_ELEMENTS, changes, strict=True):
            own = change[port] = {name: np.zeros(len(ckm), complex) for name in result[port]}
            for j, at_node in enumerate(ckm):
                moved = at_node | {element: at_node[element] * (1 + _BY_CKM)}
                found = to_ports(_times(component, _AT_MZ), moved, [port])[port]
                for name, row in own.items():
                    row[j] = (found.get(name, 0) / _AT_MZ - result[port][name][j]) / _BY_CKM
    return result, *changes


def make_map(
    path: str | Path,
    names: dict[Port, list[str]],
    ckm: list[dict[str, float]],
    progress: Callable[[str], None] = lambda _: None,
    processes: int = 1,
) -> None:
    """Make the map of all coefficients and write it to an HDF5 file, for `running.Map.load`.

    Parameters
    ----------
    path : path
        File to write.
    names : dict of Port to list of str
        Coefficients that the table reads at each port (`compiled.Table.ports`).
    ckm : list of dict
        Vus, Vcb, Vub and gamma (rad) at the nodes of the CKM phase.
    progress : callable, optional
        Called with a line of text now and then.
    processes : int
        How many to use; results do not depend on it.
    """
    # the first step ends at SMEFT ports
    names = {port: names[port] for port in sorted(names) if port.eft != "SMEFT"}
    given = inputs()
    with ProcessPoolExecutor(processes) as pool:
        done = partial(_done, pool, progress)
        first = list(done("to m_Z", _first, _at_nodes(given, _N_FIRST)))
        components = sorted({c for row in first for c in row})
        index = {c: i for i, c in enumerate(components)}
        second = list(done("second order", _second, _at_nodes(given, _N_SECOND)))
        rotated = _all_rotated(components, done)
        to_port, *by_ckm = _all_to_ports(components, names, ckm, done)
    shifts, by_top = _second_order(second, given, index)
    # of the second order, what b → q l l and D mixing feel
    feels = [x for port, x in to_port.items() if port.sector in (*B_TO_Q, D_MIXING)]
    felt = sum(abs(x).sum(axis=(0, 2)) for x in feels) > 0
    by_top[:, :, ~felt] = 0
    shift, change = _z_mass()
    with store.create(
        path,
        size=2**28,
        content=CONTENT,
        format=FORMAT,
        versions=store.versions(),
        range=[float(x) for x in np.exp(LOG_M_X)],
        inputs=[list(c) for c in given],
        components=[list(c) for c in components],
    ) as file:
        _write_sparse(file, "first", _stack(first, index, _N_FIRST, len(given)))
        store.write_array(file, "second/shifts", shifts)
        _write_sparse(file, "second/top", by_top)
        for i in range(len(ROTATIONS)):
            matrix = _stack([rotated[c][i] for c in components], index, 1, len(components))[0]
            matrix[:, ~felt] = 0
            _write_sparse(file, f"second/rotations/{i}", matrix)
        z = [shift.get(c, 0.0) for c in components]
        store.write_array(file, "second/z_shift", np.array(z))
        rows = [change.get(c, {}) for c in components]
        _write_sparse(file, "second/z", _stack(rows, index, 1, len(components))[0])
        _write_ports(file, "ports", to_port, names)
        for element, moved in zip(_ELEMENTS, by_ckm, strict=True):
            moving = {port: matrix for port, matrix in moved.items() if matrix.any()}
            _write_ports(file, f"by_ckm/{element}", moving, names)


def _done(
    pool: ProcessPoolExecutor,
    progress: Callable[[str], None],
    what: str,
    function: Callable,
    arguments: list,
) -> Iterator:
    """Results of a function for its arguments, in their order; says how many are done."""
    for n, result in enumerate(pool.map(function, arguments, chunksize=4)):
        if n % 100 == 0:
            progress(f"{what}: {n}/{len(arguments)}")
        yield result


def _at_nodes(given: list[Component], n: int) -> list[tuple[Component, float]]:
    """Coefficients at n nodes of the mass."""
    return [(c, M_X) for M_X in np.exp(nodes(n)) for c in given]


def _all_rotated(components: list[Component], done: Callable) -> dict[Component, list]:
    """`_rotated` of each coefficient."""
    groups = _of_different_operators(components)
    rotated = {}
    for group, found in zip(groups, done("rotations", _rotated, groups), strict=True):
        for component in group:
            operator = _operator(component)
            rotated[component] = [
                {c: x for c, x in row.items() if _operator(c) == operator} for row in found
            ]
    return rotated


def _all_to_ports(
    components: list[Component],
    names: dict[Port, list[str]],
    ckm: list[dict[str, float]],
    done: Callable,
) -> list[dict[Port, np.ndarray]]:
    """`_ports_of` all coefficients, as matrices (n_ckm, n_components, n_names) by port."""
    result = [
        {
            port: np.zeros((len(ckm), len(components), len(wanted)), dtype=complex)
            for port, wanted in names.items()
        }
        for _ in ("values", *_ELEMENTS)
    ]
    arguments = [(c, tuple(names)) for c in components]
    reach = done("to ports", partial(_ports_of, ckm=ckm), arguments)
    for i, all_found in enumerate(reach):
        for matrices, found in zip(result, all_found, strict=True):
            for port, rows in found.items():
                for name in rows.keys() & set(names[port]):
                    matrices[port][:, i, names[port].index(name)] = rows[name]
    return result


def _second_order(
    second: list, given: list[Component], index: dict[Component, int]
) -> tuple[np.ndarray, np.ndarray]:
    """`_second` of all coefficients as arrays, (_N_SECOND, n_inputs, ...) each."""
    shifts = np.array([row[0] for row in second]).reshape(_N_SECOND, len(given), -1)
    by_top = _stack([row[1] for row in second], index, _N_SECOND, len(given))
    for i, rotation in enumerate(ROTATIONS, start=1):
        # the probe sees what the top Yukawa coupling does to it, too
        probe, shown = _probe(rotation)
        row = given.index(Component(probe, "re"))
        seen = index.get(Component(shown, "re" if rotation.part == "re" else "im"))
        if seen is not None:
            shifts[:, :, i] -= shifts[:, :, 0] * by_top[:, row, seen][:, None]
    return shifts, by_top


def _write_ports(
    file: object, folder: str, matrices: dict[Port, np.ndarray], names: dict[Port, list[str]]
) -> None:
    """Write matrices of `_all_to_ports` as Chebyshev expansions in δ, cut where negligible."""
    for port, matrix in matrices.items():
        matrix[:, abs(matrix).max(axis=0) < _SMALLEST_PORT * abs(matrix).max(axis=(0, 1))] = 0
        expansion = compiled.chebyshev_coefficients(matrix)
        expansion[abs(expansion) < 1e-10 * abs(expansion).max(axis=0)] = 0
        about = store.canonical(names[port])
        _write_sparse(file, f"{folder}/{port.label}", expansion, names=about)


def _stack(rows: list[dict], index: dict[Component, int], n: int, n_in: int) -> np.ndarray:
    """Rows of components as an array of shape (n, n_in, n_components)."""
    result = np.zeros((n * n_in, len(index)))
    for i, row in enumerate(rows):
        for c, x in row.items():
            if c in index:
                result[i, index[c]] = x
    return result.reshape(n, n_in, -1)


def _write_sparse(file: h5py.Group, name: str, array: np.ndarray, **attributes: object) -> None:
    """Write what differs from zero: of an array with nodes in front, where any node does."""
    nodes_in_front = array.ndim == 3
    where = np.flatnonzero(abs(array).max(axis=0) if nodes_in_front else array)
    values = array.reshape(len(array), -1)[:, where] if nodes_in_front else array.ravel()[where]
    group = file.create_group(name)
    group.attrs.update(shape=array.shape[-2:], **attributes)
    packed = {"compression": "gzip", "shuffle": True, "track_times": False}
    group.create_dataset("where", data=where.astype(np.int32), **packed)
    group.create_dataset("values", data=values, **packed)
