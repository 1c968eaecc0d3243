"""Anomalies, Yukawa couplings and widths against the literature, closed formulas and symmetries."""

import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malaphoric import Model, __main__
from malaphoric.physics import facts, smeft
from malaphoric.schema import ConfigurationError
from test_smeft import PAPERS, Y, mixing_matrix, random_model, random_point

#: Gamma/M of one Weyl fermion, and of one complex scalar, of unit coupling.
WEYL, SCALAR = 1 / (24 * math.pi), 1 / (48 * math.pi)

SUMS = ("SU(3)^2 X", "SU(2)^2 X", "Y^2 X", "Y X^2", "gravity^2 X", "X^3")


def model_of(q=0, l=0, e=0, d=0, u=0, h=0, mixing=None):  # noqa: E741
    """A model by its charges, one for all families or three."""
    charges = {
        f"X_{f}": x if isinstance(x, list) else [x] * 3
        for f, x in zip("qledu", (q, l, e, d, u), strict=True)
    }
    data = {"name": "m", "title": "m", "charges": {**charges, "X_H": h}, "mixing": mixing or {}}
    return Model.from_dict(data)


HYPERCHARGE = model_of("1/6", "-1/2", -1, "-1/3", "2/3", "1/2")
B_MINUS_L = model_of("1/3", -1, -1, "1/3", "1/3")
EMPTY = model_of()


def point(model, M_X=3000.0, theta=0.4, **couplings):
    """What is said of a point; all angles and phases are equal."""
    names = dict.fromkeys(model.parameters, theta)
    return facts.facts(model, M_X=M_X, **{**names, **couplings})["point"]


def test_b3_l2():
    """Truth: Table 3 of the paper, neutrinos included; neither sum vanishes without them."""
    found = facts.facts("b3-l2")
    anomalies = found["anomalies"]
    assert anomalies["without_neutrinos"] == dict(zip(SUMS, "0 0 0 0 -3 -27".split(), strict=True))
    assert anomalies["with_neutrinos"] == dict.fromkeys(SUMS, "0")
    assert anomalies["neutrinos"] == ["0", "-3", "0"]
    assert anomalies["complete"]
    quarks = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool).tolist()
    leptons = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool).tolist()
    assert list(found["Yukawa"].values()) == [quarks, quarks, leptons]
    assert found["point"] is None
    assert found["warnings"] == []


def test_hypercharge():
    """Truth: the Standard Model is consistent without neutrinos, and has all Yukawa couplings."""
    found = facts.facts(HYPERCHARGE)
    assert found["anomalies"]["without_neutrinos"] == dict.fromkeys(SUMS, "0")
    assert found["anomalies"]["neutrinos"] == ["0"] * 3
    assert found["anomalies"]["unit"] == "1/6"
    assert np.all(list(found["Yukawa"].values()))
    assert found["warnings"] == []
    assert "no right-handed neutrinos are needed" in facts.text(found)


def test_other_models_of_the_literature():
    """Truth: X_nu = X_l; for B-L (-4, -4, 5) is known, too, and larger; L_mu - L_tau needs none."""
    assert facts.facts("3b3-le-2lmu")["anomalies"]["neutrinos"] == ["-1", "-2", "0"]
    assert facts.facts(B_MINUS_L)["anomalies"]["neutrinos"] == ["-1"] * 3
    found = facts.facts(model_of(l=[0, 1, -1], e=[0, 1, -1]))["anomalies"]
    assert found["without_neutrinos"] == dict.fromkeys(SUMS, "0")


def test_charges_of_parameters():
    """Truth: 3 a (B_3 - L_2) is the paper's for a = 1; its neutrino has the charge -3 a."""
    quarks, leptons = [0, 0, "a"], [0, "-3*a", 0]
    model = model_of(q=quarks, l=leptons, e=leptons, d=quarks, u=quarks)
    found, papers = facts.facts(model, a=1), facts.facts("b3-l2")
    assert found["charges"] == papers["charges"]
    assert found["anomalies"] == papers["anomalies"]
    assert found["Yukawa"] == papers["Yukawa"]
    assert found["point"] is None
    third = facts.facts(model, a=0.1)["anomalies"]
    assert (third["neutrinos"], third["unit"]) == (["0", "-3/10", "0"], "1/10")
    alone = facts.facts(model)
    assert (alone["anomalies"], alone["Yukawa"], alone["point"]) == (None, None, None)
    assert alone["charges"]["X_l"] == ["0", "-3*a", "0"]
    assert "In the charges a stands for a parameter" in facts.text(alone)
    at = {"epsilon_hat": 0.2, "g_hat": 0.3}
    assert facts.facts(model, a=2, **at)["point"]["partial"] == pytest.approx(
        facts.facts(model, a=1, epsilon_hat=0.2, g_hat=0.6)["point"]["partial"], rel=1e-13
    )
    for wrong in ({"g_hat": 0.1}, {"b": 1}, {**at}):
        with pytest.raises(ConfigurationError, match=r"accepted: all of .*, or a alone"):
            facts.facts(model, **wrong)


def test_width_of_what_changes_flavour():
    """Truth: 3 g^2 / 24 pi for each of s b-bar and b s-bar; anomalies need no such parameter."""
    entry = {"families": 23, "charge": "k", "phase": "phi"}
    data = {"name": "m", "title": "m", "mixing": {}, "flavour_changing": {"X_d": [entry]}}
    model = Model.from_dict({**data, "charges": EMPTY.as_dict()["charges"]})
    found = point(model, epsilon_hat=0.0, g_hat=0.5, k=0.4, phi=1.0)
    shares = {name: x for name, x in found["partial"].items() if x}
    assert shares == {"s b": pytest.approx(2 * 3 * 0.2**2 * WEYL, rel=1e-13)}
    assert found["strongest"] == {"field": "d_23", "coupling": pytest.approx(0.2)}
    assert facts.facts(model)["anomalies"]["without_neutrinos"] == dict.fromkeys(SUMS, "0")


def test_anomalies_of_single_fields():
    """Truth: indices, components and hypercharges of the paper's Table 2, field by field."""
    expected = {
        "q": "2 3 1/6 1 6 6",
        "l": "0 1 1/2 -1 2 2",
        "e": "0 0 -1 1 -1 -1",
        "d": "-1 0 -1/3 1 -3 -3",
        "u": "-1 0 -4/3 -2 -3 -3",
    }
    for field, sums in expected.items():
        found = facts.anomalies(model_of(**{field: [0, 1, 0]}))["without_neutrinos"]
        assert list(found.values()) == sums.split(), field


def test_thirds_and_decimals_cancel_exactly():
    """Truth: rational numbers, which binary fractions are not."""
    found = facts.anomalies(model_of(q="1/7", l="-3/7", e="-3/7", d=1 / 7, u="1/7"))
    assert found["neutrinos"] == ["-3/7"] * 3
    assert found["unit"] == "1/7"
    assert facts.anomalies(model_of(l=0.1, e=0.1))["without_neutrinos"]["gravity^2 X"] == "3/10"


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(-9, 9)] * 3), st.sampled_from([1, 6, 999]))
def test_neutrinos_are_the_smallest(charges, denominator):
    """Truth: all triples of integers up to 9, and there is at least one."""
    total, cubes = sum(charges), sum(x**3 for x in charges)
    every = itertools.combinations_with_replacement(range(-9, 10), 3)
    truth = min(
        max(map(abs, x)) for x in every if sum(x) == total and sum(y**3 for y in x) == cubes
    )
    unit = Fraction(1, denominator)
    found, complete = facts.neutrinos(total * unit, cubes * unit**3, unit)
    assert complete
    assert sum(found) == total * unit
    assert sum(x**3 for x in found) == cubes * unit**3
    assert max(map(abs, found)) == truth * unit


def test_neutrinos_that_do_not_exist():
    """Truth: a + b + c = 0 has cubes that add up to 3 a b c; a^3 is a modulo 3 and an integer."""
    one = Fraction(1)
    for gravity, cubic in ((0, 3), (0, 1), (one / 2, 1), (1, one / 2)):
        assert facts.neutrinos(one * gravity, one * cubic, one) == (None, True)
    # 10^61 + 1 has factors beyond those that are tried
    assert facts.neutrinos(0 * one, 3 * (10**61 + 1) * one, one) == (None, False)


def test_warnings_of_charges():
    """Truth: hypercharges, and that an X_H of 2 fits neither 0 with 1 nor 0 with 0."""
    found = facts.facts(model_of(e=[0, 0, 1], u=[0, 0, 1], h=2))
    said = "\n".join(found["warnings"])
    for words in (
        "Y^2 X = -7/3",
        "neutrinos that are multiples of 1 do so",
        "33 of up quarks (top)",
        "(bottom)",
        "(tau)",
    ):
        assert words in said


def test_charges_of_many_digits():
    """Truth: the sum of rounded numbers; exact ones would be hundreds of digits long."""
    model = random_model(np.random.default_rng(3))
    found = facts.facts(model)
    exact = Fraction(found["anomalies"]["without_neutrinos"]["SU(3)^2 X"])
    expected = sum(n * sum(model.charges[f"X_{f}"]) for f, n in (("q", 2), ("u", -1), ("d", -1)))
    assert float(exact) == pytest.approx(expected, abs=1e-8)
    text = facts.text(found)
    assert f"SU(3)^2 X = about {expected:.6g}" in text
    assert "were found to do so, up to 1000000 of them" in text
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.parametrize("M_X", [700.0, 3000.0])
def test_width_of_b_minus_l(M_X):
    """Truth: Gamma/M = 13 g^2 / 24 pi (4 of quarks, 6 of charged leptons, 3 of neutrinos)."""
    found = point(B_MINUS_L, M_X, epsilon_hat=0.0, g_hat=0.3)
    g = 0.3 * M_X / 3000
    assert found["width_over_mass"] == pytest.approx(13 * g**2 * WEYL, rel=1e-14)
    assert found["Zprime"]["mass"] == M_X
    shares = {name: x / found["width_over_mass"] for name, x in found["partial"].items()}
    assert {name: round(13 * x, 12) for name, x in shares.items() if x} == {
        "e": 2, "mu": 2, "tau": 2, "neutrinos": 3, "up quarks": 2,
        "d": round(2 / 3, 12), "s": round(2 / 3, 12), "b": round(2 / 3, 12),
    }  # fmt: skip
    assert abs(found["strongest"]["coupling"]) == pytest.approx(g, rel=1e-14)


@pytest.mark.parametrize("epsilon", [0.3, -0.9])
def test_width_from_kinetic_mixing_alone(epsilon):
    """Truth: cutting the loop that makes g' run, b = 41/6: Gamma/M = b g^2 / 16 pi, Higgs too."""
    found = point(EMPTY, epsilon_hat=epsilon, g_hat=0.0)
    g2 = smeft.g_prime(3000.0) ** 2 * epsilon**2 / (1 - epsilon**2)
    assert found["width_over_mass"] == pytest.approx(41 / 6 * g2 / (16 * math.pi), rel=1e-14)
    assert found["strongest"]["field"][0] == "e"


def test_width_of_the_higgs_alone():
    """Truth: two complex scalars, W W and Z h by equivalence."""
    found = point(model_of(h="1/2"), epsilon_hat=0.0, g_hat=0.8)
    partial = {name: x for name, x in found["partial"].items() if x}
    assert partial == pytest.approx(dict.fromkeys(("W W", "Z h"), 0.4**2 * SCALAR), rel=1e-14)
    assert found["strongest"] == {"field": "H", "coupling": pytest.approx(0.4)}


def test_width_of_one_field():
    """Truth: by hand, for the left-handed b and t of a model that mixes s and b."""
    model = model_of(q=[0, 0, 1], mixing=PAPERS)
    found = point(model, theta=0.3, epsilon_hat=0.0, g_hat=0.5)["partial"]
    c, s = math.cos(0.3), math.sin(0.3)
    quark = 3 * 0.5**2 * WEYL
    expected = {
        "up quarks": quark, "s": s**4 * quark, "b": c**4 * quark, "s b": 2 * (s * c) ** 2 * quark,
    }  # fmt: skip
    assert {k: v for k, v in found.items() if v} == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_width_of_random_models(seed):
    """Truth: charges before mixing, which is unitary; their largest is the largest eigenvalue."""
    rng = np.random.default_rng(seed)
    model, (_, g_hat, theta, M_X) = random_model(rng), random_point(rng)
    epsilon = rng.uniform(-0.95, 0.95)
    found = point(model, M_X, theta, epsilon_hat=epsilon * 3000 / M_X, g_hat=g_hat / 10)
    g, norm = g_hat / 10 * M_X / 3000, math.sqrt(1 - epsilon**2)
    total, all_of_them = 0, []
    components = {"q": 6, "l": 2, "e": 1, "d": 3, "u": 3}
    for f, n in components.items():
        own = (g * np.array(model.charges[f"X_{f}"]) - smeft.g_prime(M_X) * epsilon * Y[f]) / norm
        total += n * WEYL * np.sum(own**2)
        all_of_them += [*own]
    higgs = (g * model.charges["X_H"] - smeft.g_prime(M_X) * epsilon * Y["H"]) / norm
    assert found["width_over_mass"] == pytest.approx(total + 2 * SCALAR * higgs**2, rel=1e-12)
    strongest = max(map(abs, [*all_of_them, higgs]))
    assert abs(found["strongest"]["coupling"]) == pytest.approx(strongest, rel=1e-12)
    # partial widths of quarks, from the matrices in mass eigenstates
    squares = 0
    for f, name in (("q", "V_dL"), ("d", "V_dR")):
        v = mixing_matrix(model, name, theta)
        own = g * np.array(model.charges[f"X_{f}"]) - smeft.g_prime(M_X) * epsilon * Y[f]
        squares = squares + abs(v.conj().T @ np.diag(own / norm) @ v) ** 2
    for i, j, name in ((0, 0, "d"), (2, 2, "b"), (0, 1, "d s"), (0, 2, "d b"), (1, 2, "s b")):
        expected = 3 * WEYL * squares[i, j] * (1 if i == j else 2)
        assert found["partial"][name] == pytest.approx(expected, rel=1e-11), name


def shifted(model, a):
    """The model with charges X + a Y; X_H changes, too."""
    charges = {f"X_{f}": [x + a * Y[f] for x in model.charges[f"X_{f}"]] for f in "qledu"} | {
        "X_H": model.charges["X_H"] + a * Y["H"]
    }
    return Model.from_dict(
        {
            "name": "shifted",
            "title": "shifted",
            "charges": charges,
            "mixing": model.as_dict()["mixing"],
        }
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_hypercharge_in_the_charges_is_kinetic_mixing(seed, a):
    """X -> X + a Y with epsilon -> epsilon + a g_X / g' changes no coefficient: one current."""
    rng = np.random.default_rng(seed)
    model, (epsilon_hat, g_hat, theta, M_X) = random_model(rng), random_point(rng)
    before = model.smeft(epsilon_hat, g_hat, theta, M_X=M_X)
    mixing = epsilon_hat + a * g_hat / smeft.g_prime(M_X)
    after = shifted(model, a).smeft(mixing, g_hat, theta, M_X=M_X)
    largest = max(map(abs, before.values()))
    assert before.keys() == after.keys()
    assert max(abs(before[name] - after[name]) for name in before) < 1e-12 * largest


@pytest.mark.parametrize("seed", range(5))
def test_hypercharge_in_the_charges_is_the_same_particle(seed, monkeypatch):
    """Truth: B -> B + a (g_X / g') X in eq. (2.1), then X made canonical: M_X -> M_X / N."""
    monkeypatch.setattr(smeft, "g_prime", lambda scale: 0.36)  # that of one scale
    rng = np.random.default_rng(seed)
    model, (_, g_hat, theta, _) = random_model(rng), random_point(rng)
    M_X, epsilon, a, g_hat = 5000.0, rng.uniform(-0.9, 0.9), rng.uniform(-3, 3), g_hat / 10
    shift = a * g_hat * M_X / 3000 / 0.36
    n = math.sqrt(1 + 2 * epsilon * shift + shift**2)
    before = point(model, M_X, theta, epsilon_hat=epsilon * 3000 / M_X, g_hat=g_hat)
    hatted = {"epsilon_hat": epsilon * 3000 / M_X + a * g_hat / 0.36, "g_hat": g_hat}
    after = point(shifted(model, a), M_X / n, theta, **hatted)
    assert after["Zprime"]["mass"] == pytest.approx(before["Zprime"]["mass"], rel=1e-10)
    assert after["partial"] == pytest.approx(before["partial"], rel=1e-9)
    assert after["strongest"]["field"] == before["strongest"]["field"]


@pytest.mark.parametrize(
    ("epsilon_hat", "g_hat", "good", "beginnings"),
    [
        (-0.92, 0.078, True, []),
        (0.0, 0.761, True, []),
        (0.0, 0.762, False, ["Broad, and so not perturbative: Gamma/M = 0.3"]),
        (0.0, 1.5, False, ["Not perturbative at M_X: |-4.5|, the coupling of l_2, is", "Broad"]),
        (0.0, 1e200, False, ["Not perturbative", "Broad"]),
        (1.0, 0.1, None, ["epsilon = 1 is unphysical"]),
    ],
)
def test_warnings_of_a_point(epsilon_hat, g_hat, good, beginnings):
    """Truth: sqrt(4 pi) = 3.54; Gamma/M = 39 g^2 / 24 pi of B3-L2 (12 of quarks, 27 of leptons)."""
    found = facts.facts("b3-l2", epsilon_hat=epsilon_hat, g_hat=g_hat, theta_sb=-0.17)
    assert found["point"]["perturbative"] is good
    for sentence, beginning in zip(found["warnings"], beginnings, strict=True):
        assert sentence.startswith(beginning)
    text = facts.text(found)
    assert ("no Z'\n" in text) == (good is None)
    assert ("no coupling above sqrt(4 pi) = 3.54, and Gamma/M not above 0.3" in text) == (
        good is not None
    )
    assert all(sentence in text for sentence in found["warnings"])


def test_nothing_that_couples_has_no_width():
    """Text of a boson without any coupling."""
    found = facts.facts(EMPTY, epsilon_hat=0, g_hat=0)
    assert found["point"]["width_over_mass"] == 0
    assert "decays: none" in facts.text(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nope"], "'nope' not found; accepted:"),
        (["b3-l2", "--M-X=-5"], "M_X: -5.0 is not accepted; accepted:"),
        (["b3-l2", "--set", "g_hat=1"], "epsilon_hat is missing, theta_sb is missing; accepted:"),
        (["b3-l2", "--set", "model=1", "--set", "self=2"], "model is unknown, self is unknown"),
        (["b3-l2", "--set", "g_hat"], "g_hat is not accepted; accepted: NAME=VALUE"),
        (["b3-l2", "--set", "g_hat=x"], "g_hat=x is not accepted; accepted: NAME=VALUE"),
        (["b3-l2", "--set", "g_hat=inf"], "inf is not accepted; accepted: a number"),
    ],
)
def test_what_the_command_refuses(options, words, capsys):
    """One sentence."""
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["model", *options])
    assert words in capsys.readouterr().err


def test_a_number_that_is_none_is_refused():
    """From Python, too."""
    with pytest.raises(ConfigurationError, match="g_hat: nan is not accepted"):
        facts.facts("b3-l2", epsilon_hat=0, g_hat=math.nan, theta_sb=0)


def test_the_command(capsys):
    """`python -m malaphoric model NAME`: the same in words and as JSON; M_X can be set, too."""
    command = ["model", "b3-l2", "--set", "epsilon_hat=-0.92", "g_hat=0.078"]
    command += ["--set", "theta_sb=-0.17"]
    assert __main__.main([*command, "M_X=2000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = facts.facts("b3-l2", 2000.0, epsilon_hat=-0.92, g_hat=0.078, theta_sb=-0.17)
    assert found == expected
    assert __main__.main([*command, "--M-X", "2000"]) == 0
    text = capsys.readouterr().out
    assert text == facts.text(expected) + "\n"
    for words in ("down quarks:     all but 13, 23, 31, 32", "(0, -3, 0)", "M_X = 2000 GeV", "mu "):
        assert words in text
    assert __main__.main(["model", "3b3-le-2lmu"]) == 0
    text = capsys.readouterr().out
    assert "charged leptons: 11, 22, 33" in text
    assert "physical" not in text


def test_a_reader_that_has_seen_enough():
    """Truth: a closed pipe, as `| head -1` leaves it; no traceback."""
    command = [sys.executable, "-m", "malaphoric", "model", "b3-l2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
