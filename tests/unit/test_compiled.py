"""The compiled engine against live smelli, and its own promises: blocks, versions, refusals."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
import warnings
from importlib.resources import as_file

import ckmutil.ckm
import numpy as np
import pytest

from malaphoric import arithmetic, store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import categories, measurements
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import compiled, compiling, loading, running
from malaphoric.engines.exact import ExactEngine
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.engines.protocol import weigh
from malaphoric.inference import validation
from malaphoric.physics.model import Model
from malaphoric.scan import chunks
from malaphoric.schema import ConfigurationError

#: Near the best fit, without kinetic mixing, and far out: epsilon_hat, g_hat, theta_sb.
POINTS = np.array([[-0.92, 0.078, -0.17], [0.0, 0.12, -0.11], [-1.2, 0.17, -0.05]])

#: The extraction of the CKM elements fails here, in smelli as in the tables.
WHITE = np.array([0.5, 0.35, -0.4])

#: V_dL of eq. (3.2).
MIXING = {"V_dL": ({"plane": 23, "angle": "theta_sb", "phase": 0.0},)}

#: Error relative to max(|prediction|, uncertainty).
PRECISION = 1e-4


@pytest.fixture(scope="module")
def table() -> compiled.Table:
    return compiled.Table.load()


@pytest.fixture(scope="module")
def b3_l2(table: compiled.Table) -> compiled.CompiledEngine:
    return compiled.CompiledEngine(table, running.run(Model.load("b3-l2"), table=table))


@pytest.fixture(scope="module")
def data() -> Likelihood:
    return measurements.make_likelihood()


def anything() -> Model:
    """Charges without any pattern: electrons, all families of quarks, and the Higgs field."""
    return Model(
        name="anything",
        title="",
        charges={
            "X_q": (0.3, 0.3, 1.0),
            "X_l": (-1.0, -2.0, 0.5),
            "X_e": (0.4, -1.0, 0.2),
            "X_d": (-0.2, -0.2, 0.6),
            "X_u": (0.1, 0.2, 0.8),
            "X_H": 0.35,
        },
        mixing=MIXING,
    )


def compare(engine: compiled.CompiledEngine, exact: ExactEngine, points: np.ndarray, data) -> None:
    """Predictions within `PRECISION`, and chi2 within the bounds of `validation`."""
    ours, theirs = engine.evaluate(points), exact.evaluate(points)
    assert list(ours.reason) == list(theirs.reason)
    np.testing.assert_allclose(ours.ckm, theirs.ckm, rtol=0, atol=3e-5)
    scale = np.maximum(abs(theirs.predictions), np.nan_to_num(data.measured()[1]))
    error = abs(ours.predictions - theirs.predictions) / scale
    worst = int(np.argmax(error.max(axis=0)))
    assert error.max() < PRECISION, engine.observables[worst]
    for selected in subsets(categories.CATEGORIES):  # whatever counts in a run
        constraints = [k for k in data.constraints if k.category in selected]
        counting = dataclasses.replace(data, constraints=constraints)
        stored = {
            "points": points,
            "predictions": theirs.predictions,
            "ckm": theirs.ckm,
            "reason": theirs.reason,
            "chi2": np.stack(list(counting.chi2(theirs.predictions).values()), axis=1),
        }
        minimum = counting.chi2_sm[categories.GLOBAL] - 50
        found = validation.compare(stored, ours, counting, minimum)
        assert found.failures == [], selected
        measured = {int(i) for k in constraints for i in k.columns}
        assert set(found.observables) == measured


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All that are not empty."""
    found = [c for n in range(len(names)) for c in itertools.combinations(names, n + 1)]
    assert len(found) == 15
    return found


def test_agrees_with_smelli(b3_l2, data):
    """Near the best fit; at twelve more points in tests/workflow/test_compiled_run.py."""
    compare(b3_l2, ExactEngine(Model.load("b3-l2")), POINTS[:1], data)


@pytest.mark.slow
def test_serves_another_model_and_mass(table, data):
    model, mass = anything(), 1500.0
    engine = compiled.CompiledEngine(table, running.run(model, mass, table=table))
    points = np.array([[-0.3, 0.05, -0.1], [0.1, 0.1, 0.05]])
    compare(engine, ExactEngine(model, mass), points, data)


#: All quarks mix, with phases, and the mass is a parameter.
EVERYTHING = Model.from_dict(
    {
        "name": "everything",
        "title": "everything",
        "charges": {
            "X_q": [0.5, -0.5, 1],
            "X_l": [2, -1, 0],
            "X_e": [-1, 2, 1],
            "X_d": [0, 1, 2],
            "X_u": [1, 0, -1],
            "X_H": 1,
        },
        "mixing": {
            "V_dL": [
                {"plane": 12, "angle": "theta_ds"},
                {"plane": 13, "angle": "theta_bd", "phase": 0.7},
                {"plane": 23, "angle": "theta_sb", "phase": "phi_sb"},
            ],
            "V_dR": [{"plane": 23, "angle": "theta_R", "phase": -1.1}],
            "V_uR": [{"plane": 12, "angle": "theta_cu"}, {"plane": 23, "angle": "theta_tc"}],
        },
    }
)


@pytest.mark.slow
def test_serves_any_boson(data):
    """Truth: smelli, at a point that is not far out, although all quarks mix.

    More of them, and ten other bosons, are in tests/benchmarks/bosons.py: a point takes a minute.
    """
    points = np.array(
        [
            [-0.32, 0.059, 0.0015, 0.003, 0.084, -0.95, 0.070, -0.005, 0.010, 4800.0],
        ]
    )
    ours, exact = (loading.load_engine(EVERYTHING, e, None) for e in ("compiled", "exact"))
    assert ours.parameters == (*EVERYTHING.parameters, "M_X")
    compare(ours, exact, points, data)


@pytest.mark.slow
@pytest.mark.parametrize("M_X", [3000.0, None])
def test_d_mixing_at_large_couplings(table, M_X):
    """Truth: flavio; the second order of running and V_cb, V_ub move it by more than 1e-4."""
    model = Model.load("3b3-l")
    points = np.array([[0.9, 0.6, -0.025, 3000.0]])[:, : 3 if M_X else 4]
    name = "x12Im_D"
    ours = compiled.CompiledEngine(table, running.run(model, M_X, table=table)).evaluate(points)
    theirs = ExactEngine(model, M_X, observables=[name]).evaluate(points)
    found = ours.predictions[0, table.observables.index(name)]
    # a mass that is a parameter is interpolated
    assert found == pytest.approx(theirs.predictions[0, 0], rel=1e-5 if M_X else 1e-4)


def test_mass_as_a_parameter(b3_l2, table):
    """Truth: the same mass, fixed; both interpolate the same running."""
    model, points = Model.load("b3-l2"), POINTS[[0, 2]]
    free = compiled.CompiledEngine(table, running.run(model, None, table=table))
    assert free.parameters == ("epsilon_hat", "g_hat", "theta_sb", "M_X")
    for M_X, fixed in ((3000.0, b3_l2), (9000.0, None)):
        fixed = fixed or compiled.CompiledEngine(table, running.run(model, M_X, table=table))
        theirs = fixed.evaluate(points).predictions
        ours = free.evaluate(np.column_stack([points, [M_X] * len(points)])).predictions
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * abs(theirs).max())


def test_mass_beyond_what_is_accepted(table, data):
    """Truth: the limits of a fixed mass; no number comes from beyond, whatever it is."""
    engine = compiled.CompiledEngine(table, running.run(Model.load("b3-l2"), None, table=table))
    lh = ModelLikelihood(Model.load("b3-l2"), None, engine, data)
    masses = [500.0, 1e5, 499.9, 100_001.0, 1.0, 0.0, -3000.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = np.array([[-0.02, 0.002, -0.17, M_X] for M_X in masses])
        found = engine.evaluate(points)
        assert np.isfinite(lh.log_likelihood(points)).tolist() == [True] * 2 + [False] * 5
    assert found.reason.tolist() == [""] * 2 + ["M_X is not between 500 and 100000 GeV"] * 5
    exact = ExactEngine(Model.load("b3-l2"), None, observables=["m_W"]).evaluate(points[2:3])
    assert "M_X is not between 500 and 100000 GeV" in exact.reason[0]


def test_cp_conjugate_points(table):
    """Truth: M12 of a model with reversed phases and CKM phase is the complex conjugate."""
    engine = compiled.CompiledEngine(table, running.run(EVERYTHING, table=table))
    point = np.array([[-0.3, 0.10, 2e-3, 0.02, -0.10, 0.5, 0.15, 1e-2, 0.3]])
    m, odd = engine.running.basis.monomials(point), engine.running.basis.odd
    assert 0 < odd.sum() < odd.size
    t, plus = compiled.chebyshev(np.array([0.9]), compiled.N_DELTA), np.array([1.0])
    ours = engine._ckm_quantities(engine._at_points(m), t, plus)
    mirrored = engine._at_points(np.where(odd[:, None], -m, m))
    conjugate = engine._ckm_quantities(mirrored, t, -plus)
    sign = np.array([1, 1, 1, 1, -1, 1, -1])[:, None]
    np.testing.assert_allclose(conjugate, ours * sign, rtol=1e-12)
    assert abs(ours[4::2]).min() > 0


@pytest.mark.parametrize("gamma", [0.3, 1.15, 1.9])
def test_ckm_factors(gamma):
    """Truth: the matrices of ckmutil; its δ is an arctan, which is off by π beyond π/2."""
    ckm = np.array([[0.225, 0.041, 0.0037, gamma], [0.3, 0.2, 0.1, gamma]])
    for row in ckm:
        vus, vcb, vub, _ = row
        t13 = np.arcsin(vub)
        t12, t23 = np.arcsin(vus / np.cos(t13)), np.arcsin(vcb / np.cos(t13))
        delta = ckmutil.ckm.gamma_to_delta(t12, t13, t23, gamma)
        assert compiled.ckm_delta(row[None])[0] == pytest.approx(delta, rel=1e-12)
        mean = np.arctan(np.tan(gamma))
        for name, angle in (("ckm", delta), ("none", mean)):
            v = ckmutil.ckm.ckm_standard(t12, t13, t23, angle)
            found = compiled.decay_factors(row[None])[name]
            for i in range(2):
                q = 1 - i
                assert found.top[i, 0] == pytest.approx(v[2, 2] * v[2, q].conj(), rel=1e-12)
                assert found.up[i, 0] == pytest.approx(v[0, 2] * v[0, q].conj(), rel=1e-12)
        v = abs(ckmutil.ckm.ckm_standard(t12, t13, t23, gamma)) ** 2
        ratio = compiled._Tree.of(row[:, None]).mixing_ratio[0]
        assert ratio == pytest.approx(v[2, 0] / v[2, 1], rel=1e-12)


def test_narrow_factors():
    """Truth: the matrix itself, rows of any size; one without a lower rank stays as it is."""
    rng = np.random.default_rng(1)
    matrix = (
        rng.normal(size=(40, 3)) @ rng.normal(size=(3, 50)) * 10.0 ** np.arange(-20, 20)[:, None]
    )
    matrix[7] = 0
    first, second = compiled._factors(matrix, 1e-6)
    assert (first.shape, second.shape) == ((3, 50), (40, 3))
    np.testing.assert_allclose(second @ first, matrix, rtol=1e-6, atol=0)
    (whole,) = compiled._factors(rng.normal(size=(5, 6)), 1e-6)
    assert whole.shape == (5, 6)


def test_log_likelihood(b3_l2, data):
    """Truth: chi2; -inf where smelli finds no CKM elements, one point or many."""
    lh = ModelLikelihood(Model.load("b3-l2"), 3000.0, b3_l2, data)
    assert lh.parameters == ("epsilon_hat", "g_hat", "theta_sb")
    points = np.concatenate([POINTS, WHITE[None]])
    found = lh.log_likelihood(points)
    np.testing.assert_allclose(found[:3], -lh.chi2(POINTS)["global"] / 2, rtol=1e-12)
    assert found[3] == -np.inf
    assert lh.log_likelihood(WHITE) == -np.inf
    one = lh.log_likelihood(points[0].tolist())
    assert isinstance(one, float)
    assert one == pytest.approx(found[0], rel=1e-12)
    many = np.tile(points, (100, 1))
    np.testing.assert_allclose(lh.log_likelihood(many), np.tile(found, 100), rtol=1e-12)
    with pytest.raises(ValueError, match=r"shape \(1, 2\); accepted: \(n, 3\), of epsilon_hat"):
        lh.log_likelihood([0.1, 0.2])


def test_sm_is_the_origin(b3_l2, data):
    origin = b3_l2.evaluate(np.zeros((1, 3))).predictions[0]
    scale = np.maximum(abs(b3_l2.sm), np.nan_to_num(data.measured()[1]))
    error = abs(origin - b3_l2.sm) / scale
    assert error.max() < PRECISION


def test_ckm_fails_where_smelli_fails(b3_l2):
    exact = ExactEngine(Model.load("b3-l2"))

    def smelli_fails(point: np.ndarray) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            point = categories.global_likelihood().parameter_point(exact.wilson(point))
            try:
                return not np.isfinite(point.par_dict_np["gamma"])
            except ValueError:
                return True

    assert smelli_fails(WHITE)
    found = b3_l2.evaluate(WHITE)
    assert found.reason[0] == "ckm"
    assert np.isnan(found.predictions).all()
    assert np.isnan(found.ckm).all()
    # along a line, the first failure of ours lies between neighbours of smelli's
    start, end = np.array([-0.92, 0.078, -0.17]), np.array([-0.92, 0.078, -0.5])
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        failed = b3_l2.evaluate(start + middle * (end - start)).reason[0] == "ckm"
        low, high = (low, middle) if failed else (middle, high)
    assert not smelli_fails(start + (low - 1e-3) * (end - start))
    assert smelli_fails(start + (high + 1e-3) * (end - start))


NO_POINTS = np.array([[np.nan, 0.1, 0.1], [0.1, np.inf, 0.1], [0.1, 0.1, -np.inf]])


def test_points_that_are_none(b3_l2, data):
    """NaN with its reason, in both engines; the neighbours do not notice."""
    points = np.concatenate([POINTS[:1], NO_POINTS, POINTS[1:2]])
    found = b3_l2.evaluate(points)
    assert found.reason.tolist() == ["", *["the point is not finite"] * 3, ""]
    assert np.isnan(found.predictions[1:4]).all()
    assert np.isnan(found.ckm[1:4]).all()
    alone = b3_l2.evaluate(POINTS[:2])
    np.testing.assert_array_equal(found.predictions[[0, 4]], alone.predictions)
    chi2 = ModelLikelihood(Model.load("b3-l2"), 3000, b3_l2, data).chi2(points)["global"]
    assert np.isfinite(chi2).tolist() == [True, False, False, False, True]
    exact = ExactEngine(Model.load("b3-l2")).evaluate(NO_POINTS)
    assert set(exact.reason) == {"ValueError: the point is not finite"}
    assert np.isnan(exact.predictions).all()


def test_prediction_that_is_not_finite(b3_l2):
    """The observable is named, as by the exact engine."""
    broken = dataclasses.replace(b3_l2)
    broken._ew_base = broken._ew_base.copy()
    broken._ew_base[3] = np.inf
    found = broken.evaluate(POINTS[:1])
    name = broken.observables[broken._parts["electroweak"][3]]
    assert found.reason.tolist() == [f"prediction of {name} is not finite"]
    assert np.isnan(found.predictions).all()
    assert np.isnan(found.ckm).all()


def test_result_does_not_depend_on_neighbours(b3_l2):
    rng = np.random.default_rng(5)
    points = rng.uniform([-1.5, 0, -0.5], [1.5, 0.4, 0.5], (BLOCK + 300, 3))
    together = b3_l2.evaluate(points)
    assert 0.2 < np.mean(together.reason == "ckm") < 0.8  # those settle at once, others slowly
    order = rng.permutation(len(points))
    shuffled = b3_l2.evaluate(points[order])
    np.testing.assert_array_equal(together.predictions[order], shuffled.predictions)
    np.testing.assert_array_equal(together.ckm[order], shuffled.ckm)
    for i in (0, 700, BLOCK + 1):
        np.testing.assert_array_equal(
            b3_l2.evaluate(points[i]).predictions[0], together.predictions[i]
        )


@pytest.mark.parametrize("joined", [False, True])
def test_only_what_some_observables_need(b3_l2, joined):
    """Truth: the bits of all predictions; each kind of observable in turn, with its CKM or not."""
    engine = loading.Joined([b3_l2], b3_l2.observables[::-1]) if joined else b3_l2
    whole, nothing = engine.evaluate(POINTS), engine.of(["no observable"]).evaluate(POINTS)
    assert np.isnan(nothing.predictions).all()
    np.testing.assert_array_equal(nothing.ckm, whole.ckm)
    left = set(engine.observables)
    for name in ("m_W", "DeltaM_s", "BR(Bs->mumu)", "BR(B+->munu)", compiled.lep2.OBSERVABLES[0]):
        for ckm in (None, whole.ckm):
            found = engine.of([name]).evaluate(POINTS, ckm=ckm)
            assert found.reason.tolist() == [""] * len(POINTS)
            np.testing.assert_array_equal(found.ckm, whole.ckm)
            filled = np.isfinite(found.predictions).all(axis=0)
            assert not np.isfinite(found.predictions[:, ~filled]).any()
            assert 0 < filled.sum() < len(filled)
            assert filled[engine.observables.index(name)]
            same = found.predictions[:, filled] == whole.predictions[:, filled]
            assert same.all()
        left -= {o for o, there in zip(engine.observables, filled, strict=True) if there}
    assert not left


@pytest.mark.parametrize("category", ["quarks", "EWPOs", "LEP2", "LFU"])
def test_new_data_cost_what_depends_on_them(b3_l2, data, tmp_path, monkeypatch, category):
    """Truth: the bytes of a folder in which nothing was known; then other theories, other code."""
    points = np.random.default_rng(7).uniform([-1.5, 0, -0.5], [1.5, 0.4, 0.5], (BLOCK + 9, 3))
    new = [
        dataclasses.replace(
            k, arrays={**k.arrays, "central": k.arrays["central"] + 1e-3 * k.deviation().max()}
        )
        if k.category == category
        else k
        for k in data.constraints
    ]
    new_data = dataclasses.replace(data, constraints=new)
    said: list[str] = []

    def write(name, its_data, **theory):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        said.clear()
        about = (its_data, {"engine": "compiled", **theory}, False, said.append)
        chunks.write_points(path, points, b3_l2, *about)
        return path.read_bytes()

    expected = write(f"fresh/b-0-{len(points)}.h5", new_data)
    write(f"run/a-0-{len(points)}.h5", data)
    extract = b3_l2.extract
    monkeypatch.setattr(b3_l2, "extract", None)
    assert write(f"run/b-0-{len(points)}.h5", new_data) == expected
    for name in ("CKM elements", "quarks", "EWPOs", "LEP2", "LFU"):
        assert (name in said[0]) is (name != category)
    assert f"{len(points)}/{len(points)} points" in said[1]
    monkeypatch.setattr(b3_l2, "extract", extract)
    monkeypatch.setattr(chunks, "_weighed_by", lambda: "other code")
    assert write(f"run/c-0-{len(points)}.h5", new_data) != expected
    assert "computed before" not in said[0]
    monkeypatch.undo()
    write(f"run/d-0-{len(points)}.h5", new_data, M_X=3000.0)
    assert "computed before" not in said[0]


def test_only_points_with_ckm_elements_are_predicted(b3_l2, data, monkeypatch):
    """Truth: chi2 of all predictions, to the last bit; some points are none."""
    points = np.random.default_rng(6).uniform([-1.5, 0, -0.5], [1.5, 0.4, 0.5], (3 * BLOCK, 3))
    points[7, 1] = np.nan
    whole = b3_l2.evaluate(points)
    expected = data.chi2(whole.predictions)
    predicted, block = [], compiled.CompiledEngine._block
    monkeypatch.setattr(
        compiled.CompiledEngine, "_block", lambda *x: predicted.append(len(x[1])) or block(*x)
    )
    chi2, found = weigh(b3_l2, data, points)
    assert BLOCK < np.sum(whole.reason == "") < 2 * BLOCK
    assert sum(predicted) == 2 * BLOCK
    assert found.reason.tolist() == whole.reason.tolist()
    np.testing.assert_array_equal(found.ckm, whole.ckm)
    for name, values in expected.items():
        np.testing.assert_array_equal(chi2[name], values)
    few = points[whole.reason != ""][:3]
    assert np.isnan(weigh(b3_l2, data, few)[0]["global"]).all()
    assert sum(predicted) == 2 * BLOCK


#: Prints digests of predictions and chi2; the points are moved by so many rows meanwhile.
_RUN = """
import malaphoric, sys
import numpy as np
from malaphoric import Model, store
from malaphoric.engines import loading
from malaphoric.arithmetic import BLOCK
from malaphoric.data.likelihood import Likelihood
running, likelihood, shift, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
model, data = Model.load("b3-l2"), Likelihood.load(likelihood)
theory = loading.load_engine(model, "compiled", 3000.0, running=running)
points = np.random.default_rng(5).uniform([-1.5, 0, -0.5], [1.5, 0.4, 0.5], (BLOCK + 300, 3))[:n]
result = theory.evaluate(np.roll(points, shift, axis=0))
chi2 = data.chi2(result.predictions)["global"]
few = loading.ModelLikelihood(model, 3000.0, theory, data).chi2_of_few(points[:40])["global"]
arrays = [np.roll(x, -shift, axis=0) for x in (result.predictions, result.ckm, chi2)]
print(store.digest(*arrays, few))
"""


@pytest.fixture(scope="module")
def files(b3_l2, data, tmp_path_factory) -> list[str]:
    """Running map and likelihood on disk: the arguments of `_RUN`."""
    folder = tmp_path_factory.mktemp("files")
    b3_l2.running.save(folder / "running.h5")
    data.save(folder / "likelihood.h5")
    return [str(folder / "running.h5"), str(folder / "likelihood.h5")]


def one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def bits(code: str, *arguments: object, shell: dict | None = None, cpu: str = "", **options) -> str:
    """Digests from a new process, in a shell that says nothing of arithmetic but this."""
    kept = {k: v for k, v in os.environ.items() if k not in arithmetic._pinned()}
    emulator = ["qemu-x86_64", "-cpu", cpu, "-0", sys.executable] if cpu else []
    python = os.path.realpath(sys.executable) if cpu else sys.executable
    return subprocess.run(
        [*emulator, python, "-c", code, *map(str, arguments)],
        env={**kept, **(shell or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        **options,
    ).stdout


@pytest.mark.skipif(
    arithmetic._pinned()["OPENBLAS_CORETYPE"] is None, reason="pinned on x86-64 with AVX2"
)
def test_bits_whatever_the_shell(files):
    """Kernels, threads, cores and positions are varied; without the pin they show."""
    size = BLOCK + 300
    plain = bits(_RUN, *files, 0, size)
    wide = "SkylakeX" if "avx512f" in arithmetic._cpu_flags() else "Zen"
    for core, shift in {wide: 3, "Sandybridge": 777, "Prescott": 1021}.items():
        shell = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": "X86_V4"}
        shell |= {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "3"}
        for options in ({}, {"preexec_fn": one_core}):
            assert bits(_RUN, *files, shift, size, shell=shell, **options) == plain
    shell = {"OPENBLAS_CORETYPE": "Prescott"}
    assert bits("import numpy\n" + _RUN, *files, 0, size, shell=shell) != plain


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["Haswell-noTSX", "EPYC-Rome"])
def test_bits_whatever_the_cpu(files, cpu):
    """An Intel of 2013 and an AMD of 2019, emulated: the bits of this CPU."""
    if not shutil.which("qemu-x86_64") or arithmetic._pinned()["OPENBLAS_CORETYPE"] is None:
        assert not os.environ.get("CI")
        pytest.skip("needs qemu-x86_64 (qemu-user) and an x86-64 CPU with AVX2")
    assert bits(_RUN, *files, 0, 48, cpu=cpu) == bits(_RUN, *files, 0, 48)


def test_running_map_survives_disk(b3_l2, tmp_path):
    path = tmp_path / "running.h5"
    b3_l2.running.save(path)
    again = compiled.CompiledEngine(b3_l2.table, compiled.Running.load(path))
    np.testing.assert_array_equal(
        again.evaluate(POINTS).predictions, b3_l2.evaluate(POINTS).predictions
    )


def test_refuses_a_running_map_for_another_table(b3_l2):
    other = dataclasses.replace(b3_l2.table, digest="0123456789abcdef")
    with pytest.raises(store.StoreError, match=f"b3-l2.*{b3_l2.table.digest[:12]}.*0123456789ab"):
        compiled.CompiledEngine(other, b3_l2.running)


@pytest.mark.parametrize("package", store.THEORY_PACKAGES)
def test_refuses_foreign_versions(package, table, b3_l2, tmp_path, monkeypatch):
    path = tmp_path / "running.h5"
    b3_l2.running.save(path)
    foreign = store.versions() | {package: "0.0.1"}

    def loads_map():
        with as_file(running.PACKAGED) as path:
            running.Map.load(path)

    monkeypatch.setattr(store, "versions", lambda: foreign)
    for refuses in (running.check_tables, compiled.Table.load, loads_map):
        with pytest.raises(store.StoreError, match=f"{package}.*0.0.1; remake it .`make table`"):
            refuses()
    with pytest.raises(store.StoreError, match=f"{package}.*0.0.1; delete it and start again"):
        compiled.Running.load(path)


def test_refuses_another_category(monkeypatch):
    """A category of which the tables of the package know nothing."""
    monkeypatch.setattr(categories, "CATEGORIES", (*categories.CATEGORIES, "LFV"))
    with pytest.raises(store.StoreError, match=r"other categories than .*LFV; remake it"):
        running.check_tables()


def test_foreign_file_is_no_table_and_no_running_map(b3_l2, tmp_path):
    path = tmp_path / "running.h5"
    b3_l2.running.save(path)
    with pytest.raises(store.StoreError, match=r"running\.h5: not a malaphoric compiled table"):
        compiled.Table.load(path)
    with pytest.raises(store.StoreError, match=r"compiled\.h5: not a malaphoric running map"):
        compiled.Running.load(compiled._PACKAGED)


def test_table_has_all_observables(table):
    assert table.observables == categories.observables()


@pytest.mark.slow
def test_assembled_from_its_parts(table, tmp_path):
    """Truth: the table of the package, whose Standard Model smelli computes anew."""
    compiling.assemble(table.parts, tmp_path / "table.h5")
    again = compiled.Table.load(tmp_path / "table.h5")
    assert again.observables == table.observables
    assert again.ports() == table.ports()
    np.testing.assert_allclose(again.sm, table.sm, rtol=1e-9)
    for part, content in table.parts.items():
        for name, value in content.items():
            np.testing.assert_array_equal(again.parts[part][name], value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BR(B+->Knunu)", ("<dBR/dq2>(B+->Kmumu)", 1.1, 3.0)], ids=str)
def test_additional_observable(tmp_path, name):
    """Truth: flavio itself at the best fit; the table and the running survive their files."""

    model, point = Model.load("b3-l2"), np.array([[-0.86, 0.078, -0.17]])
    compiling.compile_extra([name], tmp_path / "table.h5")
    table = compiled.Table.load(tmp_path / "table.h5")
    running.run(model, table=table).save(tmp_path / "running.h5")
    engine = loading.load_engine(
        model, "compiled", 3000.0, running=tmp_path / "running.h5", table=tmp_path / "table.h5"
    )
    assert engine.observables == [name]
    found = engine.evaluate(point).predictions
    truth = ExactEngine(model, observables=[name]).evaluate(point).predictions
    np.testing.assert_allclose(found, truth, rtol=1e-6)
    base = loading.load_engine(model, "compiled", 3000.0)
    both = loading.Joined([base, engine])
    assert both.observables == [*base.observables, name]
    assert np.array_equal(both.evaluate(point).predictions[:, -1:], found)


@pytest.mark.slow
def test_bin_outside_the_phase_space_is_refused(tmp_path):
    """Truth: a B meson cannot give more than 19.2 GeV^2 to the leptons beside a K*."""
    bin = ("<dBR/dq2>(B0->K*mumu)", 30.0, 40.0)
    with pytest.raises(
        ConfigurationError, match=r"K\*mumu\) 30 40: flavio predicts nothing finite"
    ):
        compiling.compile_extra([bin], tmp_path / "table.h5")
    assert not (tmp_path / "table.h5").exists()
