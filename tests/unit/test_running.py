"""Running of any vector boson's coefficients, against wilson itself."""

import warnings

import numpy as np
import pytest

from malaphoric import basis, compiled, evolving, running
from malaphoric.compiled import Port
from malaphoric.model import Model

pytestmark = pytest.mark.slow

TABLE = compiled.Table.load()
MAP = running.Map.load()
CKM = dict(zip(compiled.CKM, map(float, TABLE.ckm_sm), strict=True))

B_TO_S = Port(4.8, "WET", "flavio", "sb")
D_MIXING = Port(2.0, "WET-4", "flavio", "cucu")


def boson(seed):
    """Coefficients of every kind that a vector can generate, of size 1, as the map takes them."""
    return np.random.default_rng(seed).normal(size=len(MAP.inputs))


def by_name(x, size, components=None):
    """The same by WCxf name."""
    result = {}
    for (name, part), value in zip(components or MAP.inputs, size * x, strict=True):
        result[name] = result.get(name, 0) + (1j * value if part == "im" else value)
    return result


def at_port(x, M_X, port, delta):
    """Coefficients of a port by the map, at a phase of the CKM matrix."""
    names = MAP.names[port]
    matrix = MAP.to_port(port, names)
    at = compiled.chebyshev(np.array([delta]), compiled.N_DELTA).T
    return dict(
        zip(names, np.tensordot(at, MAP.to_mz(x[None], M_X) @ matrix, 1)[0, 0], strict=True)
    )


@pytest.mark.parametrize("M_X", [500.0, 730.0, 3000.0, 21_000.0, 100_000.0])
def test_to_mz(M_X):
    """Truth: wilson. All coefficients at once; masses between the map's nodes and at its ends."""
    x, size = boson(1), 1e-7 / M_X**2  # where all of them together are linear
    truth = evolving.to_mz(by_name(x, size), M_X)
    found = by_name(MAP.to_mz(x[None], M_X)[0], size, MAP.components)
    names = sorted({*truth, *found})
    error = [abs(found.get(n, 0) - truth.get(n, 0)) / size for n in names]
    assert max(error) < 1e-4  # 596 of them add up
    assert sum(abs(truth.get(n, 0)) > 1e-5 * size for n in names) > 600


@pytest.mark.parametrize("delta", [0.05, 0.9, 1.5])
def test_to_ports(delta):
    """Truth: wilson, both steps; at every port, relative to the coefficient's largest input."""
    x, M_X = boson(2), 7300.0
    size = 1e-7 / M_X**2
    gamma = compiled.gamma_of_delta(delta, TABLE.ckm_sm)
    ports = list(MAP.names)
    assert len(ports) > 20
    truth = evolving.to_ports(evolving.to_mz(by_name(x, size), M_X), CKM | {"gamma": gamma}, ports)
    largest = np.abs(MAP._first.dense(basis.weights(M_X, 7))).max(axis=0)
    for port in ports:
        found = at_port(x, M_X, port, delta)
        scale = abs(largest[:, None] * abs(MAP.to_port(port, MAP.names[port])).sum(0)).max(0)
        scale = np.maximum(scale, 1e-6 * max(scale.max(), 1.0))  # what is smaller is rounding
        for (name, value), unit in zip(found.items(), scale, strict=True):
            assert abs(value * size - truth[port].get(name, 0)) <= 1e-4 * unit * size, (port, name)


@pytest.mark.parametrize(
    ("name", "M_X"), [("b3-l2", 3000.0), ("3b3-le-2lmu", 3000.0), ("b3-l2", 9e3)]
)
def test_second_order(name, M_X):
    """Truth: what wilson's running has beyond its linear part, at couplings of 1: 75% of it."""
    point = (-0.9, 1.0, -0.2)
    given = {n: float(v) for n, v in Model.load(name).smeft(*point, M_X=M_X).items()}
    small, wanted = 1e-3, [B_TO_S, D_MIXING]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, part = (
            evolving.to_ports(
                evolving.to_mz({n: s * v for n, v in given.items()}, M_X), CKM, wanted
            )
            for s in (1.0, small)
        )
    x = np.zeros((1, len(MAP.inputs)))
    for component, value in running.parts(given).items():
        x[0, MAP.inputs.index(component)] = value
    second = MAP.second_order(x, MAP.to_mz(x, M_X), M_X)
    names = [f"{c}_bs{lep}{lep}" for c in ("C9", "C10") for lep in compiled.LEPTONS]
    at = compiled.chebyshev(compiled.ckm_delta(TABLE.ckm_sm[None]), compiled.N_DELTA).T
    # of C9 about 1, and of the whole: it counts
    charm = abs(whole[D_MIXING]["CVLL_ucuc"])
    for port, own, size in ((B_TO_S, names, 1e-4), (D_MIXING, ["CVLL_ucuc"], 5e-5 * charm)):
        found = np.tensordot(at, second @ MAP.to_port(port, own), 1)[0, 0]
        truth = np.array([whole[port][n] - part[port][n] / small for n in own])
        assert abs(truth).max() > size
        assert abs(found - truth).max() < 0.25 * abs(truth).max()


def test_change_with_the_ckm_elements():
    """Truth: wilson, with V_cb and V_ub a thousandth larger; of D mixing only."""
    x, M_X, delta = boson(3), 2000.0, 1.1
    size = 1e-7 / M_X**2
    ckm = CKM | {"gamma": compiled.gamma_of_delta(delta, TABLE.ckm_sm)}
    at_mz = evolving.to_mz(by_name(x, size), M_X)
    names = MAP.names[D_MIXING]
    at = compiled.chebyshev(np.array([delta]), compiled.N_DELTA).T
    changes = MAP.to_mz(x[None], M_X) @ np.tensordot(at, MAP.by_ckm(D_MIXING, names), (1, 1))[0]
    base = evolving.to_ports(at_mz, ckm, [D_MIXING])[D_MIXING]
    for element, change in zip(("Vcb", "Vub"), changes, strict=True):
        moved = ckm | {element: 1.001 * ckm[element]}
        moved = evolving.to_ports(at_mz, moved, [D_MIXING])[D_MIXING]
        truth = np.array([(moved.get(n, 0) - base.get(n, 0)) / 1e-3 for n in names])
        found = change[0] * size
        assert abs(truth).max() > 1e-3 * max(map(abs, base.values()))
        np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-3 * abs(truth).max())


def test_beyond_the_map():
    """Truth: continuity; wilson is asked beyond 100 TeV, and the map below."""
    model, x = Model.load("b3-l2"), []
    points = np.random.default_rng(1).uniform(-1, 1, (20, 3))
    for M_X in (99_999.0, 100_001.0):
        found = running.run(model, M_X, table=TABLE)
        x.append(found.basis.monomials(points).T @ found.values[B_TO_S])
    np.testing.assert_allclose(x[0], x[1], rtol=1e-3, atol=1e-5 * abs(x[0]).max())


def test_a_port_that_the_map_lacks(monkeypatch):
    """Truth: the map's own answer at a port that is hidden from it."""
    model = Model.load("3b3-le-2lmu")
    expected = running.run(model, table=TABLE)
    monkeypatch.setattr(MAP, "names", {p: n for p, n in MAP.names.items() if p != B_TO_S})
    found = running.run(model, table=TABLE)
    for name in ("values", "second"):
        ours, theirs = getattr(found, name)[B_TO_S], getattr(expected, name)[B_TO_S]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * abs(theirs).max())


def test_needs_no_wilson():
    """Truth: the modules of a fresh process."""
    import subprocess
    import sys

    code = (
        "from malaphoric import Model, running; import sys; running.run(Model.load('b3-l2')); "
        "print({'wilson', 'flavio', 'smelli'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
