"""Theory of additional observables: closed formulas, smelli's observables, flavio's own draws."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import yaml

from malaphoric import store
from malaphoric.data import categories, predicting, theory
from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import PACKAGED, Measurements, combine
from malaphoric.data.theory import Draws, follow
from malaphoric.engines import compiled, loading, running
from malaphoric.physics.model import Model
from malaphoric.schema import ROOT
from malaphoric.workflow.configuration import load_configuration
from malaphoric.workflow.recipes import Recipes

RUN = ROOT / "config/b3-l2-2026.yaml"
N_DRAWS = 250


def draws(names, values):
    return Draws(list(names), list(names), values.mean(axis=0), values)


@pytest.fixture(scope="module")
def smelli():
    return Draws.load(theory.PACKAGED)


@pytest.fixture(scope="module")
def extra():
    return Draws.load(theory.EXTRA)


@pytest.fixture(scope="module")
def base():
    return Measurements.load(PACKAGED)


@pytest.fixture
def drawn():
    """Forty correlated observables of eight parameters and noise: draws, and their covariance."""
    rng = np.random.default_rng(1)
    mixing = np.concatenate([rng.normal(size=(8, 40)), 0.1 * np.eye(40)])
    return rng.normal(size=(N_DRAWS, 48)) @ mixing, mixing.T @ mixing


class TestFollow:
    """What an observable follows, of draws that are made here."""

    def test_one_of_them_follows_itself_alone(self, drawn):
        """Truth: the coefficient 1, up to rounding, whatever else is correlated with it."""
        values, _ = drawn
        found = follow(draws(range(40), values), draws("ab", 1e-9 * values[:, [7, 31]] + 3))
        expected = np.zeros((2, 40))
        expected[[0, 1], [7, 31]] = 1e-9
        np.testing.assert_allclose(found.coefficients, expected, atol=1e-20)
        assert abs(found.rest).max() < 1e-28
        assert found.followed == list(range(40))

    def test_known_combination(self, drawn):
        """Truth: the covariance that the numbers are drawn with; errors of 500 draws."""
        values, covariance = drawn
        own = 0.5 * np.random.default_rng(2).normal(size=N_DRAWS)
        b = np.zeros(40)
        b[[3, 20]] = 2, -1
        found = follow(draws(range(40), values), draws("a", (values @ b + own)[:, None]))
        between = (covariance @ found.coefficients[0]) / np.sqrt(np.diag(covariance))
        expected = (covariance @ b) / np.sqrt(np.diag(covariance))
        size = np.sqrt(b @ covariance @ b + 0.25)
        assert abs(between - expected).max() < 0.02 * size
        assert found.rest[0, 0] == pytest.approx(0.25, rel=4 * np.sqrt(2 / N_DRAWS))

    def test_noise_follows_nothing(self, drawn):
        """Truth: nearly none of a hundred sets of random numbers do, and these by little."""
        noise = np.random.default_rng(3).normal(size=(N_DRAWS, 100))
        found = follow(draws(range(40), drawn[0]), draws(range(100), noise))
        assert np.count_nonzero(found.coefficients.any(axis=1)) <= 3
        np.testing.assert_allclose(found.rest, np.cov(noise.T), atol=0.1)

    def test_what_does_not_vary(self, drawn):
        """Truth: no uncertainty, and no division by zero."""
        values = drawn[0].copy()
        values[:, 5] = 2.0
        found = follow(draws(range(40), values), draws("a", np.full((N_DRAWS, 1), 7.0)))
        assert not found.coefficients.any()
        assert not found.rest.any()

    def test_others_do_not_matter(self, smelli, extra):
        """Truth: the same bits for some, in another order."""
        whole = follow(smelli, extra)
        some = [19, 3, 8]
        found = follow(smelli, extra.of([extra.observables[i] for i in some]))
        assert np.array_equal(found.coefficients, whole.coefficients[some])
        assert np.array_equal(found.rest, whole.rest[np.ix_(some, some)])


class TestJoined:
    """Covariances of the package's measurements with those of additional observables."""

    def test_smellis_stays_and_all_is_positive(self, base, smelli, extra):
        """Truth: eigenvalues; smelli's numbers, bit by bit."""
        joined = base.joined(follow(smelli, extra))
        n = len(base.observables)
        assert np.array_equal(joined.theory_covariance[:n, :n], base.theory_covariance)
        error = np.sqrt(np.diag(joined.theory_covariance))
        used = error > 0
        covariance = joined.theory_covariance[np.ix_(used, used)]
        scaled = covariance / np.outer(error[used], error[used])
        assert np.array_equal(scaled, scaled.T)
        assert np.linalg.eigvalsh(scaled).min() > -1e-12
        assert used[n:].all()

    def test_neighbouring_bins_go_together(self, base, smelli, extra):
        """Truth: P2 in [4.3, 6] has nearly the form factors of P2 in [4, 6]."""
        joined = base.joined(follow(smelli, extra))
        place = {name: i for i, name in enumerate(joined.observables)}
        error = np.sqrt(np.diag(joined.theory_covariance))
        for name, least in (("P2", 0.98), ("P3", 0.9), ("P4p", 0.95), ("P6p", 0.95)):
            own, other = (place[f"<{name}>(B0->K*mumu)", low, 6.0] for low in (4.0, 4.3))
            correlation = joined.theory_covariance[own, other] / error[own] / error[other]
            assert correlation > least
            assert error[other] == pytest.approx(error[own], rel=0.2)


MEASUREMENT = "LHCb B->K*mumu 2020 P 2.5-4"


def overlaid(folder, upper):
    """An overlay with LHCb's measurement in [2.5, 4], whose bin ends at ``upper``."""
    import flavio

    instance = flavio.Measurement[MEASUREMENT]
    ((distribution, names),) = instance._constraints
    content = {
        MEASUREMENT: {
            "observables": [{"name": n, "q2min": a, "q2max": upper} for n, a, _ in names],
            "values": {
                "distribution": "multivariate_normal",
                "central_value": np.asarray(distribution.central_value).tolist(),
                "covariance": np.asarray(distribution.covariance).tolist(),
            },
        }
    }
    path = folder / f"{upper}.yml"
    path.write_text(yaml.safe_dump(content))
    return path, [(n, a, upper) for n, a, _ in names]


def likelihoods(folder, base, smelli, theirs):
    """The same measurement as smelli's own bin, and as one of additional observables.

    Overlays replace measurements of flavio for the whole process: afterwards it has its own again.
    """
    import flavio

    with mock.patch.dict(flavio.Measurement.instances):
        return _likelihoods(folder, base, smelli, theirs)


def _likelihoods(folder, base, smelli, theirs):
    base = dataclasses.replace(base, settings={**base.settings, "nexp": 2000})  # sooner
    path, own = overlaid(folder, 4.0)
    upper = theirs.observables[0][2]
    own_path = combine(base, overlays=[path])
    path, names = overlaid(folder, upper)
    rule = {"include": [list(name) for name in names], "exclude": [list(name) for name in own]}
    selection = {"quarks": {"observables": rule}}
    additional = follow(smelli, theirs)
    b = additional.coefficients
    return own_path, [
        combine(base, selection=selection, overlays=[path], extra=x)
        for x in (additional, dataclasses.replace(additional, coefficients=0 * b))
    ]


def compared(base, one: Likelihood, other: Likelihood, own):
    """chi2 of both for the same physics, near the Standard Model."""
    place = [base.observables.index(name) for name in own]
    rng = np.random.default_rng(5)
    size = np.sqrt(np.diag(base.theory_covariance))
    points = base.sm + rng.normal(size=(20, base.sm.size)) * np.where(size > 0, size, 0)
    whole = np.concatenate([points, points[:, place]], axis=1)
    return one.chi2(points)["quarks"], other.chi2(whole)["quarks"]


def test_the_same_measurement_of_an_additional_observable(tmp_path, base, smelli):
    """Truth: chi2 of smelli's own bin, whose draws are those of the additional observable."""
    own = [(n, a, 4.0) for n, a, b in overlaid(tmp_path, 4.0)[1]]
    theirs = smelli.of(own)
    theirs = dataclasses.replace(theirs, observables=[(n, a, 4.01) for n, a, _ in own])
    one, (other, neglected) = likelihoods(tmp_path, base, smelli, theirs)
    assert one.n_obs == other.n_obs
    expected, found = compared(base, one, other, own)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert other.chi2_sm["quarks"] == pytest.approx(one.chi2_sm["quarks"], rel=1e-9)
    expected, found = compared(base, one, neglected, own)
    assert abs(found - expected).max() > 10


@pytest.mark.slow
def test_the_same_measurement_in_a_bin_that_flavio_computes(tmp_path, base, smelli):
    """Truth: as before; the bin is wider by 1e-5 GeV^2, and flavio predicts 100 draws of it."""
    own = [(n, a, 4.0) for n, a, b in overlaid(tmp_path, 4.0)[1]]
    some = dataclasses.replace(
        smelli,
        values=smelli.values[:100],
        parameters={name: x[:100] for name, x in smelli.parameters.items()},
    )
    names = [(n, a, 4.00001) for n, a, _ in own]
    theirs = theory._predicted(names, some.parameters, lambda _: None)
    one, (other, _) = likelihoods(tmp_path, base, some, theirs)
    expected, found = compared(base, one, other, own)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.slow
def test_draws_of_flavio(base, smelli, extra):
    """Truth: flavio's own covariance with other draws; its CKM elements are smelli's."""
    import flavio

    names = [("<P2>(B0->K*mumu)", 4.3, 6.0), ("<P6p>(B0->K*mumu)", 1.1, 2.0)]
    ours = [("<P2>(B0->K*mumu)", 4.0, 6.0), ("<P6p>(B0->K*mumu)", 1.1, 2.5)]
    ours += [("<dBR/dq2>(B0->K*mumu)", 4.0, 6.0)]
    own = categories.smelli_likelihood("quarks").sm_covariance
    n, state = 200, np.random.get_state()
    np.random.seed(77)
    truth = flavio.sm_covariance([*ours, *names], N=n, par_obj=own.par_obj)
    np.random.set_state(state)
    joined = base.joined(follow(smelli, extra))
    columns = [joined.observables.index(name) for name in (*ours, *names)]
    found = joined.theory_covariance[np.ix_(columns, columns)]
    error = [np.sqrt(np.diag(x)) for x in (found, truth)]
    np.testing.assert_allclose(*error, rtol=4 / np.sqrt(2 * n) + 0.1)
    correlations = [x / np.outer(e, e) for x, e in zip((found, truth), error, strict=True)]
    assert abs(correlations[0] - correlations[1]).max() < 4 / np.sqrt(n)


class TestShipped:
    """The additional observables that come with the package."""

    def test_are_those_of_the_run(self, extra):
        """Truth: the configuration that `make table` reads; the table has the same."""
        table = compiled.Table.load(compiled.EXTRA)
        run = load_configuration(RUN)
        assert run.selection.extra == theory.shipped() == extra.observables == table.observables
        assert run.shipped
        wanted = [list(name) for name in extra.observables]
        for rule in ("compile_draws", "compile_theory", "compile_extra"):
            assert Recipes(run)[rule].settings["observables"] == wanted
        np.testing.assert_allclose(extra.sm, table.sm, rtol=1e-12)

    @pytest.mark.slow
    def test_draws_are_of_the_same_parameters(self, smelli, extra):
        """Truth: flavio, for one draw."""
        names = extra.observables[:2]
        parameters = {name: x[123:124] for name, x in smelli.parameters.items()}
        found = theory._predicted(names, parameters, lambda _: None)
        np.testing.assert_allclose(found.values[0], extra.of(names).values[123], rtol=1e-9)
        import flavio

        central = categories.smelli_likelihood("quarks").sm_covariance.par_obj.get_central_all()
        drawn = central | {name: float(x[0]) for name, x in parameters.items()}
        truth = predicting.predict(names, drawn, flavio.WilsonCoefficients())
        np.testing.assert_allclose(found.values[0], truth, rtol=2e-3)
        assert len(smelli.values) == len(extra.values) == N_DRAWS
        fixed = [
            o for o, x in zip(smelli.observables, smelli.values.T, strict=True) if not np.ptp(x)
        ]
        assert fixed == ["RT(K->pimunu)", "D_n", "R_n"]  # in smelli's covariance, too

    def test_of_other_versions_are_refused(self, monkeypatch):
        """Truth: what the files say of themselves."""
        versions = {**store.versions(), "flavio": "99.0"}
        monkeypatch.setattr(store, "versions", lambda: versions)
        for read in (theory.check, lambda: Draws.load(theory.EXTRA)):
            with pytest.raises(store.StoreError, match=r"installed is flavio 99\.0; remake it"):
                read()

    def test_runs_from_the_map(self, monkeypatch):
        """Truth: wilson is not asked; a model costs nothing new."""
        monkeypatch.setattr(running, "_asked_to_ports", None)
        table = compiled.Table.load(compiled.EXTRA)
        found = running.run(Model.load("b3-l2"), table=table)
        assert set(table.ports()) <= set(found.values)

    def test_some_of_them_in_any_order(self):
        """Truth: the bits of the whole table."""
        model, points = Model.load("b3-l2"), np.array([[-0.86, 0.078, -0.17], [-0.3, 0.1, 0.05]])
        ours = compiled.Table.load().observables
        some = [theory.shipped()[i] for i in (20, 2, 9)]
        engine = loading.engine_of([*ours, *some], model, "compiled", 3000.0)
        assert engine.observables == [*ours, *some]
        table = compiled.Table.load(compiled.EXTRA)
        whole = compiled.CompiledEngine(table, running.run(model, table=table))
        found = engine.evaluate(points).predictions[:, -3:]
        assert np.array_equal(found, whole.evaluate(points).predictions[:, [20, 2, 9]])


def test_save_and_load(tmp_path, smelli):
    """Truth: the numbers before."""
    smelli.save(tmp_path / "draws.h5")
    again = Draws.load(tmp_path / "draws.h5")
    assert again.observables == smelli.observables
    assert np.array_equal(again.values, smelli.values)
    assert again.parameters.keys() == smelli.parameters.keys()
    (tmp_path / "table.h5").write_bytes(compiled.EXTRA.read_bytes())
    with pytest.raises(store.StoreError, match="not a malaphoric draws"):
        Draws.load(tmp_path / "table.h5")
