"""LEP2 predictions and data against independent integration, flavio's Z couplings and the paper."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from malaphoric.data import lep2

PAR = lep2.SM_PARAMETERS
GEV2_PB = 0.3893793721e9
FAMILY = {"ee": 1, "mumu": 2, "tautau": 3}


@pytest.fixture(scope="module")
def flavio():
    return pytest.importorskip("flavio")


def random_coefficients(n, size=1e-7, seed=1):
    """Random coefficients of GeV^-2 `size`: 1e-7 changes LEP2 cross sections by O(10%)."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(scale=size, size=n) for name in lep2.COEFFICIENTS}


def chi2(groups, predicted=None):
    """Sum over groups of the quadratic form; predicted: dict observable → value, default SM."""
    total = 0.0
    for observables, central, covariance in groups:
        p = np.array([1.0 if predicted is None else predicted[o] for o in observables])
        total += (p - central) @ np.linalg.solve(covariance, p - central)
    return total


# Independent truth: amplitudes written helicity by helicity for one point, integrated adaptively.


def couplings(wc, lepton):
    """(g_L, g_R) including g_Z for one lepton at one point, from the library's shifts."""
    shift = lep2.coupling_shifts(wc)[FAMILY[lepton] - 1, :, 0]
    s2 = PAR["s2w"]
    g_z = np.sqrt(4 * np.pi * PAR["alpha_e"] / s2 / (1 - s2))
    return {"L": g_z * (-0.5 + s2 + shift[0]), "R": g_z * (s2 + shift[1])}


def amplitude(q2, x, y, wc, lepton):
    e, f = couplings(wc, "ee"), couplings(wc, lepton)
    i = FAMILY[lepton]
    if lepton == "ee":
        contact = {
            "LL": 2 * wc["ll_1111"],
            "RR": 2 * wc["ee_1111"],
            "LR": wc["le_1111"],
            "RL": wc["le_1111"],
        }
    else:
        contact = {
            "LL": wc[f"ll_11{i}{i}"] + wc[f"ll_1{i}{i}1"],
            "RR": wc[f"ee_11{i}{i}"],
            "LR": wc[f"le_11{i}{i}"],
            "RL": wc[f"le_{i}{i}11"],
        }
    gamma = 1 / PAR["tau_Z"]
    z = 1 / (q2 - PAR["m_Z"] ** 2 + 1j * gamma * PAR["m_Z"])
    return 4 * np.pi * PAR["alpha_e"] / q2 + e[x] * f[y] * z + contact[x + y]


def dsigma_dcos(cos, energy, wc, lepton):
    """dσ/dcosθ in pb, from |M|² = 4u² |N|² (equal chiralities), 4t² |N|² (opposite)."""
    s = energy**2
    t, u = -s * (1 - cos) / 2, -s * (1 + cos) / 2
    squared = 0.0
    for x, y in itertools.product("LR", repeat=2):
        if lepton != "ee":
            squared += 4 * (u if x == y else t) ** 2 * abs(amplitude(s, x, y, wc, lepton)) ** 2
        elif x == y:
            both = amplitude(s, x, y, wc, lepton) + amplitude(t, x, y, wc, lepton)
            squared += 4 * u**2 * abs(both) ** 2
        else:
            squared += 4 * t**2 * abs(amplitude(s, x, y, wc, lepton)) ** 2
            squared += 4 * s**2 * abs(amplitude(t, x, y, wc, lepton)) ** 2
    return GEV2_PB * squared / 4 / (32 * np.pi * s)


@pytest.mark.parametrize("lepton", ["mumu", "tautau"])
@pytest.mark.parametrize("energy", [130.3, 206.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_cross_section_and_asymmetry_match_numerical_integration(lepton, energy, seed):
    wc = {k: v[0] for k, v in random_coefficients(1, seed=seed).items()}
    forward = quad(dsigma_dcos, 0, 1, args=(energy, wc, lepton), epsrel=1e-11)[0]
    backward = quad(dsigma_dcos, -1, 0, args=(energy, wc, lepton), epsrel=1e-11)[0]
    names = [(f"R_sigma(ee->{lepton})", energy), (f"R_AFB(ee->{lepton})", energy)]
    sigma, afb = lep2.tree_level(wc, observables=names)[0]
    assert sigma == pytest.approx(forward + backward, rel=1e-10)
    assert afb == pytest.approx((forward - backward) / (forward + backward), rel=1e-10)


@pytest.mark.parametrize("seed", [1, 2])
def test_bhabha_bins_match_numerical_integration(seed):
    wc = {k: v[0] for k, v in random_coefficients(1, seed=seed).items()}
    bins = [o for o in lep2.OBSERVABLES if o[0].endswith("(ee->ee)") and o[1] in (188.6, 206.5)]
    assert len(bins) == 30
    truth = [
        quad(dsigma_dcos, low, high, args=(energy, wc, "ee"), epsrel=1e-11)[0] / (high - low)
        for _, energy, low, high in bins
    ]
    np.testing.assert_allclose(lep2.tree_level(wc, observables=bins)[0], truth, rtol=1e-11)


def test_tree_level_standard_model_is_near_the_lep_prediction():
    """Normalisation, units, order: LEP's SM columns are ours up to radiative corrections and cuts.

    Tree level over LEP's column: 3-7% up for σ, within 1% for A_FB, 8-21% up for Bhabha bins, which
    have a cut on acollinearity.
    """
    sm = [float(row["SM"]) for name in ("sigma_afb", "bhabha") for row in lep2._read(f"{name}.csv")]
    ratio = lep2.tree_level({})[0] / sm
    for selected, low, high in (("R_sigma", 1.03, 1.07), ("R_AFB", 0.99, 1.01), ("<", 1.07, 1.21)):
        values = [
            r for o, r in zip(lep2.OBSERVABLES, ratio, strict=True) if o[0].startswith(selected)
        ]
        assert low < min(values), selected
        assert max(values) < high, selected


def test_qed_limit():
    """Far below m_Z: σ = 4πα²/3s, no asymmetry (corrections of order s/m_Z²)."""
    energy = 0.5
    sigma, afb = lep2.tree_level(
        {}, observables=[("R_sigma(ee->mumu)", energy), ("R_AFB(ee->mumu)", energy)]
    )[0]
    qed = 4 * np.pi * PAR["alpha_e"] ** 2 / (3 * energy**2) * GEV2_PB
    assert sigma == pytest.approx(qed, rel=1e-4)
    assert abs(afb) < 1e-3


def test_fierz_twins_have_equal_contact_terms():
    """ll_1331 and ll_1133 are the same four-charged-lepton operator."""
    names = [(q, 188.6) for q in ("R_sigma(ee->tautau)", "R_AFB(ee->tautau)")]
    a = lep2.predictions({"ll_1331": 1e-7}, observables=names)
    b = lep2.predictions({"ll_1133": 1e-7}, observables=names)
    np.testing.assert_array_equal(a, b)
    assert np.all(abs(a - 1) > 1e-3)


def test_coupling_shifts_agree_with_flavio(flavio):
    from flavio.physics.zdecays import smeftew

    par = flavio.default_parameters.get_central_all()
    n = 5
    wc = random_coefficients(n, size=1e-6)
    shifts = lep2.coupling_shifts(wc, par)
    assert shifts.shape == (3, 2, n)
    for k in range(n):
        point = {name: value[k] for name, value in wc.items()}
        for i, f in enumerate(("e", "mu", "tau")):
            v, a = smeftew.d_gV(f, f, par, point), smeftew.d_gA(f, f, par, point)
            np.testing.assert_allclose(shifts[i, :, k], [v + a, v - a], rtol=1e-12, atol=1e-16)


def test_parameters_are_those_of_flavio(flavio):
    par = flavio.default_parameters.get_central_all()
    for name, value in lep2.SM_PARAMETERS.items():
        assert par[name] == pytest.approx(value, rel=1e-12), name


def test_imaginary_parts_and_foreign_coefficients_do_not_enter():
    wc = random_coefficients(3)
    expected = lep2.predictions(wc)
    more = {name: value + 1e-9j for name, value in wc.items()} | {"lq1_2223": 1e-6}
    np.testing.assert_array_equal(lep2.predictions(more), expected)


def test_every_listed_coefficient_enters():
    for name in lep2.COEFFICIENTS:
        assert np.any(abs(lep2.predictions({name: 1e-7}) - 1) > 1e-5), name


def test_standard_model_is_one_and_shapes_are_points_by_observables():
    np.testing.assert_allclose(lep2.predictions({}), np.ones((1, 153)), rtol=0, atol=1e-15)
    assert lep2.predictions(random_coefficients(7)).shape == (7, 153)
    # Scalars stand for all points.
    wc = {"ll_1122": np.array([0.0, 1e-8]), "phiD": 1e-8}
    second = lep2.predictions({"ll_1122": 1e-8, "phiD": 1e-8})[0]
    np.testing.assert_allclose(lep2.predictions(wc)[1], second, rtol=1e-14)


def test_bulk_equals_point_by_point():
    wc = random_coefficients(20)
    rows = [lep2.predictions({k: v[i] for k, v in wc.items()})[0] for i in range(20)]
    np.testing.assert_allclose(lep2.predictions(wc), rows, rtol=1e-13)


def test_linear_response_matches_finite_differences_of_the_integrand():
    """d(observable)/dC of the bulk function = derivative of the independent integrand."""
    h = 1e-9
    observables = [("R_sigma(ee->mumu)", 206.5), ("<R_dsigma/dcos>(ee->ee)", 206.5, 0.0, 0.09)]
    for name in ("ll_1122", "le_2211", "ll_1111", "le_1111", "phie_11", "phil1_22", "phiWB"):
        zero = dict.fromkeys(lep2.COEFFICIENTS, 0.0)

        def integrals(value, name=name, zero=zero):
            wc = zero | {name: value}
            muons = quad(dsigma_dcos, -1, 1, args=(206.5, wc, "mumu"), epsrel=1e-12)[0]
            electrons = quad(dsigma_dcos, 0, 0.09, args=(206.5, wc, "ee"), epsrel=1e-12)[0]
            return np.array([muons, electrons])

        truth = (integrals(h) - integrals(-h)) / (2 * h) / integrals(0.0)
        wc = {name: np.array([h, -h])}
        plus, minus = lep2.predictions(wc, observables=observables)
        np.testing.assert_allclose((plus - minus) / (2 * h), truth, rtol=1e-6, atol=1e-3)


def test_cross_sections_are_quadratic_in_contact_terms():
    """Third differences along a line of four-fermion coefficients vanish."""
    direction = {k: v for k, v in random_coefficients(1).items() if k[:2] in ("ll", "ee", "le")}
    del direction["ll_1221"]  # enters G_F too, so the couplings
    steps = np.arange(4.0)
    values = lep2.predictions({k: v * steps for k, v in direction.items()})
    is_asymmetry = np.array([o[0].startswith("R_AFB") for o in lep2.OBSERVABLES])
    third = np.diff(values, n=3, axis=0)[0]
    assert np.max(abs(third[~is_asymmetry])) < 1e-12
    assert np.max(abs(third[is_asymmetry])) > 1e-6  # a ratio is not


def test_full_and_paper_sets():
    full, paper = lep2.measurements("full"), lep2.measurements("paper")
    assert [len(g.observables) for g in full] == [48, 105]
    assert [len(g.observables) for g in paper] == [43, 105]
    assert tuple(o for g in full for o in g.observables) == lep2.OBSERVABLES
    assert len(set(lep2.OBSERVABLES)) == 153
    left_out = set(full[0].observables) - set(paper[0].observables)
    at_130 = {(f"R_{q}(ee->{lep})", 130.3) for q in ("sigma", "AFB") for lep in ("mumu", "tautau")}
    assert left_out == at_130 | {("R_sigma(ee->tautau)", 206.5)}
    for _, central, covariance in full + paper:
        assert covariance.shape == (central.size, central.size)
        np.testing.assert_array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance)[0] > 0


def test_default_is_the_paper_set_and_unknown_sets_are_refused():
    assert sum(len(g.observables) for g in lep2.measurements()) == 148
    with pytest.raises(ValueError, match=r"'papr'.*'paper'.*'full'"):
        lep2.measurements("papr")


def test_changing_a_returned_group_leaves_the_data_alone():
    lep2.measurements("full")[0].central[:] = 0
    assert np.all(lep2.measurements("full")[0].central > 0)


def test_standard_model_chi2():
    paper = lep2.measurements("paper")
    assert chi2(paper[:1]) == pytest.approx(48.380, abs=2e-3)
    assert chi2(paper[1:]) == pytest.approx(101.437, abs=2e-3)
    assert chi2(paper) == pytest.approx(149.817, abs=2e-3)
    assert chi2(lep2.measurements("full")) == pytest.approx(151.575, abs=2e-3)


def test_unknown_observable_is_refused():
    with pytest.raises(ValueError, match="ee->nunu"):
        lep2.predictions({}, observables=[("R_sigma(ee->nunu)", 200.0)])


def test_registered_flavio_objects(flavio):
    from wilson import Wilson

    names = lep2.register()
    before = [flavio.Measurement[name] for name in names]
    assert lep2.register() == names
    assert [flavio.Measurement[name] for name in names] == before

    coefficients = {
        "ll_1122": 2e-8,
        "ll_1111": -1e-8,
        "ee_1133": 1e-8,
        "le_1111": 3e-8,
        "phil1_11": 1e-8,
        "phie_22": -2e-8,
        "phiD": -1e-8,
    }
    w = Wilson(coefficients, scale=91.1876, eft="SMEFT", basis="Warsaw")
    # wilson re-diagonalises masses at the output scale, so the truth is what it returns.
    expected = lep2.predictions(w.match_run(91.1876, "SMEFT", "Warsaw").dict)[0]
    for observable, value in zip(lep2.OBSERVABLES[::7], expected[::7], strict=True):
        assert flavio.np_prediction(observable[0], w, *observable[1:]) == pytest.approx(
            value, rel=1e-12
        )
        assert flavio.sm_prediction(observable[0], *observable[1:]) == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(expected, lep2.predictions(coefficients)[0], rtol=1e-6)

    registered = [o for name in names for o in flavio.Measurement[name].all_parameters]
    assert tuple(registered) == lep2.OBSERVABLES
    # -2 log L differences of flavio's measurements are the chi2 of the same data.
    at_sm = dict.fromkeys(lep2.OBSERVABLES, 1.0)
    minus_two_log = -2 * sum(
        value
        for name in names
        for value in flavio.Measurement[name].get_logprobability_all(at_sm, delta=True).values()
    )
    assert minus_two_log == pytest.approx(chi2(lep2.measurements("full")), rel=1e-6)


def b3_l2(epsilon, g_x, theta, g_prime, m_x=3000.0):
    """Non-redundant coefficients of eqs (2.8)-(2.30) for B3-L2 without those of four quarks."""
    y = {"l": -1 / 2, "e": -1.0, "u": 2 / 3, "d": -1 / 3, "q": 1 / 6}
    third, second = np.array([0, 0, 1.0]), np.array([0, -3.0, 0])
    charge = {"l": second, "e": second, "u": third, "d": third}
    k = {f: g_x * x - g_prime * epsilon * y[f] for f, x in charge.items()}
    k_h = -g_prime * epsilon / 2
    c, s = np.cos(theta), np.sin(theta)
    mix = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    xi = g_x * mix.T @ np.diag(third) @ mix - y["q"] * g_prime * epsilon * np.eye(3)
    wc = {"phiBox": -(k_h**2) / 2, "phiD": -2 * k_h**2}
    for i, j in itertools.product(range(3), repeat=2):
        a, b = i + 1, j + 1
        if j >= i:
            for f in ("l", "e"):
                wc[f"{f * 2}_{a}{a}{b}{b}"] = -(1 if i == j else 2) / 2 * k[f][i] * k[f][j]
            wc[f"phiq1_{a}{b}"] = -k_h * xi[i, j]
            for n in range(3):
                m = n + 1
                wc[f"lq1_{m}{m}{a}{b}"] = -k["l"][n] * xi[i, j]
                wc[f"qe_{a}{b}{m}{m}"] = -xi[i, j] * k["e"][n]
        wc[f"le_{a}{a}{b}{b}"] = -k["l"][i] * k["e"][j]
        for f in ("u", "d"):
            wc[f"l{f}_{a}{a}{b}{b}"] = -k["l"][i] * k[f][j]
            wc[f"e{f}_{a}{a}{b}{b}"] = -k["e"][i] * k[f][j]
        if i == j:
            wc[f"phil1_{a}{a}"] = -k_h * k["l"][i]
            for f in ("e", "u", "d"):
                wc[f"phi{f}_{a}{a}"] = -k_h * k[f][i]
    return {name: value / m_x**2 for name, value in wc.items()}


@pytest.mark.parametrize(
    ("point", "scale", "expected"),
    [
        ((-0.92, 0.078, -0.17), 3000.0, -0.78),
        ((-0.92, 0.078, -0.17), 91.1876, -0.73),
        ((0.0, 0.12, -0.11), 3000.0, -0.014),
    ],
)
def test_delta_chi2_at_the_points_of_table_4(point, scale, expected):
    """Δχ² of LEP2 by the right formulas, with g' of the matching at `scale`.

    Matching at 3 TeV asks for g'(3 TeV). The paper's column has −0.02 and 0.00, see the module.
    """
    from wilson import Wilson, wcxf
    from wilson.run.smeft import SMEFT

    g_prime = SMEFT(wcxf.WC("SMEFT", "Warsaw", scale, {})).C_in["gp"].real
    w = Wilson(b3_l2(*point, g_prime), scale=3000, eft="SMEFT", basis="Warsaw")
    w.set_option("smeft_accuracy", "leadinglog")
    predicted = lep2.predictions(w.match_run(lep2.SCALE, "SMEFT", "Warsaw").dict)[0]
    groups = lep2.measurements("paper")
    by_name = dict(zip(lep2.OBSERVABLES, predicted, strict=True))
    delta = chi2(groups) - chi2(groups, by_name)
    assert delta == pytest.approx(expected, abs=0.005)
