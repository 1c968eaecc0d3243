"""Model files: what is accepted, and that everything else is refused with key, value and advice."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import yaml

from malaphoric import Model
from malaphoric.physics.model import MODELS
from malaphoric.physics.smeft import COUPLINGS
from malaphoric.schema import ConfigurationError

VALID = {
    "name": "test-model",
    "title": "$T$",
    "reference": "nobody",
    "charges": {
        "X_q": [0, "1/6", 1],
        "X_l": [0, -3, 0.5],
        "X_e": ["-1/3", "+2/3", "-7"],
        "X_d": [0, 0, 1],
        "X_u": [0, 0, 1],
        "X_H": "-1/2",
    },
    "mixing": {"V_dL": [{"plane": 23, "angle": "theta_sb"}]},
}


def changed(path, value):
    """The valid model with one entry replaced, or removed if the value is Ellipsis."""
    data = copy.deepcopy(VALID)
    *parents, last = path
    inner = data
    for key in parents:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return data


def test_b3_l2_has_the_charges_of_table_3():
    """Truth: Table 3 of the paper."""
    model = Model.load("b3-l2")
    third, muon = (0, 0, 1), (0, -3, 0)
    assert model.charges == {
        "X_q": third, "X_d": third, "X_u": third, "X_l": muon, "X_e": muon, "X_H": 0,
    }  # fmt: skip


def test_second_model_has_its_charges():
    """Truth: X = 3 B_3 - L_e - 2 L_mu, with B = 1/3 of a quark."""
    model = Model.load("3b3-le-2lmu")
    assert model.charges["X_q"] == model.charges["X_u"] == model.charges["X_d"] == (0, 0, 1)
    assert model.charges["X_l"] == model.charges["X_e"] == (-1, -2, 0)
    assert model.charges["X_H"] == 0


@pytest.mark.parametrize("name", ["b3-l2", "3b3-le-2lmu"])
def test_every_model_is_named_as_its_file(name):
    """Truth: the file's name; a user's own models are not ours to test."""
    assert Model.load(MODELS / f"{name}.yaml").name == name


@pytest.mark.parametrize("name", ["b3-l2", "3b3-le-2lmu"])
def test_models_of_the_literature_are_anomaly_free(name):
    """Truth: sums of charges over the fermions, with a neutrino of charge X_nu = X_l a family."""
    model = Model.load(name)
    q, l, e, d, u = (np.array(model.charges[f"X_{f}"]) for f in "qledu")  # noqa: E741
    anomalies = {
        "SU(3)^2 X": np.sum(2 * q - u - d),
        "SU(2)^2 X": np.sum(3 * q + l),
        "Y^2 X": np.sum(q / 6 - 4 * u / 3 - d / 3 + l / 2 - e),
        "Y X^2": np.sum(q**2 - 2 * u**2 + d**2 - l**2 + e**2),
        "gravity": np.sum(6 * q - 3 * u - 3 * d + 2 * l - e - l),
        "X^3": np.sum(6 * q**3 - 3 * u**3 - 3 * d**3 + 2 * l**3 - e**3 - l**3),
    }
    assert all(abs(a) < 1e-12 for a in anomalies.values()), anomalies


def test_name_and_path_load_the_same(tmp_path):
    """Truth: one file, reached in three ways."""
    copied = tmp_path / "b3-l2.yml"
    copied.write_text((MODELS / "b3-l2.yaml").read_text())
    by_name = Model.load("b3-l2")
    assert by_name == Model.load(MODELS / "b3-l2.yaml") == Model.load(str(copied))


def test_name_of_another_file_is_refused(tmp_path):
    """Truth: a copied file whose name inside was forgotten would be taken for the paper's model."""
    copied = tmp_path / "elsewhere.yaml"
    copied.write_text((MODELS / "b3-l2.yaml").read_text())
    with pytest.raises(ConfigurationError, match=r"name: 'b3-l2' .* accepted: 'elsewhere'"):
        Model.load(copied)


def test_title_is_one_that_figures_can_show():
    """Truth: matplotlib, which would refuse it only after the scan."""
    for title in ("$B_3 - L_2$", "no LaTeX", "5 $", r"$\frac{1}{2}$"):
        Model.from_dict(changed(["title"], title)).check_latex()
    nested = "$" + "x^{" * 30 + "x" + "}" * 30 + "$"
    refused = (r"$\frac$", r"$\unknown$", "$a^$", nested, r"$\substack{{x}}$", "$" + "{" * 11)
    for label in (r"\theta_{sb}", "a b", r"\kappa"):
        Model.from_dict(changed(["parameters"], {"theta_sb": {"label": label}})).check_latex()
    for label in (title.strip("$") for title in refused if title != nested):
        model = Model.from_dict(changed(["parameters"], {"theta_sb": {"label": label}}))
        with pytest.raises(ConfigurationError, match=r"theta_sb\.label: .* without dollar signs"):
            model.check_latex()
    for title in refused:
        with pytest.raises(ConfigurationError, match=r"title: .* is not accepted"):
            Model.from_dict(changed(["title"], title)).check_latex()


def test_deepest_title_is_drawn():
    """Truth: matplotlib, called from as deep as a job calls it."""
    deepest = "$" + "x^{" * 10 + "x" + "}" * 10 + "$"

    def draw(depth):
        if depth:
            return draw(depth - 1)
        return Model.from_dict(changed(["title"], deepest)).check_latex()

    draw(250)


def test_huge_space_in_a_title_costs_nothing():
    """Truth: the memory of an image of this size could not be had."""
    Model.from_dict(changed(["title"], r"$a\hspace{1000000000}b$")).check_latex()


def test_parameters():
    """Truth: the two of every model, then angles and phases in the order of their first mention."""
    assert Model.load("b3-l2").parameters == ("epsilon_hat", "g_hat", "theta_sb")
    rotations = [
        {"plane": 12, "angle": "b", "phase": "a"},
        {"plane": 23, "angle": 0.1, "phase": "c"},
        {"plane": 13, "angle": "b"},
    ]
    model = Model.from_dict(changed(["mixing"], {"V_uR": rotations[2:], "V_dL": rotations}))
    assert model.parameters == ("epsilon_hat", "g_hat", "b", "a", "c")
    assert Model.from_dict(changed(["mixing"], {})).parameters == ("epsilon_hat", "g_hat")


def test_mixing_decides():
    """Truth: a model without mixing has no flavour-changing coupling."""
    model = dataclasses.replace(Model.load("b3-l2"), mixing={})
    assert model.smeft(-0.9, 0.08)["lq1_2223"] == 0
    assert Model.load("b3-l2").smeft(-0.9, 0.08, -0.17)["lq1_2223"] != 0


def test_fractions_and_numbers():
    """Truth: Python's arithmetic."""
    charges = Model.from_dict(VALID).charges
    assert charges["X_e"] == (-1 / 3, 2 / 3, -7.0)
    assert charges["X_q"] == (0.0, 1 / 6, 1.0)
    assert charges["X_l"] == (0.0, -3.0, 0.5)
    assert charges["X_H"] == -0.5
    assert all(type(x) is float for k in "qledu" for x in charges[f"X_{k}"])


def test_reference_is_optional():
    """Truth: the documented default."""
    assert Model.from_dict(changed(["reference"], ...)).reference == ""


def test_as_dict_is_plain_and_without_prose():
    """Truth: equal physics, equal data; other charges, other data."""
    one = Model.from_dict(VALID)
    two = Model.from_dict(changed(["title"], "other") | {"reference": "other"})
    assert one.as_dict() == two.as_dict()
    assert yaml.safe_load(yaml.safe_dump(one.as_dict())) == one.as_dict()
    assert one.as_dict() != Model.from_dict(changed(["charges", "X_H"], 0)).as_dict()
    assert one.as_dict()["charges"]["X_e"] == [-1 / 3, 2 / 3, -7.0]


def test_mixing_matrix():
    """Truth: V_dL of eq. (3.2), entry by entry, in Xi of eq. (2.12)."""
    model, x = Model.from_dict(VALID), np.diag([0, 1 / 6, 1])
    for angle in (0.0, 0.3, -1.1, math.pi / 2):
        c, s = math.cos(angle), math.sin(angle)
        v = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        found = dict(zip(COUPLINGS, model.couplings([[0.0, 0.7, angle]])[:, 0], strict=True))
        xi = 0.7 * v.T @ x @ v
        for i, j in ((0, 0), (1, 1), (2, 2)):
            assert found[f"q_{i + 1}{j + 1}"] == pytest.approx(xi[i, j], abs=1e-15)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert found[f"Re q_{i + 1}{j + 1}"] == pytest.approx(xi[i, j], abs=1e-15)
        assert not any(v for k, v in found.items() if k.startswith("Im") or k[3:5] in ("u_", "d_"))


# path of the entry, its bad value (... for a missing key), what the message must contain
BAD = [
    (["charges", "X_l"], ..., ["X_l"]),
    (["charges", "X_H"], ..., ["X_H"]),
    (["charges"], ..., ["charges"]),
    (["name"], ..., ["name"]),
    (["mixing"], ..., ["mixing"]),
    (["charges", "X_n"], [0, 0, 0], ["charges.X_n", "X_q"]),
    (["chrages"], {}, ["chrages", "charges"]),
    (["charges", "X_q"], [0, 1], ["charges.X_q", "[0, 1]", "three"]),
    (["charges", "X_q"], [0, 1, 2, 3], ["charges.X_q", "[0, 1, 2, 3]", "three"]),
    (["charges", "X_q"], 1, ["charges.X_q", "1", "three"]),
    (["charges", "X_q"], "111", ["charges.X_q", "'111'", "three"]),
    (["charges", "X_q"], {"a": 1}, ["charges.X_q", "three"]),
    (["charges", "X_H"], [0], ["charges.X_H", "[0]", "fraction"]),
    (["charges", "X_H"], True, ["charges.X_H", "True", "fraction"]),
    (["charges", "X_H"], None, ["charges.X_H", "None", "fraction"]),
    (["charges", "X_u", 1], False, ["charges.X_u.1", "False", "fraction"]),
    (["charges", "X_u", 1], float("nan"), ["charges.X_u.1", "nan", "number"]),
    (["charges", "X_H"], float("inf"), ["charges.X_H", "inf", "number"]),
    (["charges", "X_H"], float("-inf"), ["charges.X_H", "-inf", "number"]),
    (["charges", "X_H"], "1/0", ["charges.X_H", "'1/0'", "fraction"]),
    (["charges", "X_H"], "one two", ["charges.X_H", "'one two'", "fraction", "not a formula"]),
    (["charges", "X_H"], "1//3", ["charges.X_H", "'1//3'", "fraction", "only numbers, names"]),
    (["charges", "X_H"], "__import__('os')", ["charges.X_H", "fraction", "only numbers, names"]),
    (["charges", "X_q", 1], "2*a*b", ["charges.X_q.1", "'2*a*b'", '"-3*a"', "product"]),
    (["charges", "X_H"], "1/a", ["charges.X_H", "'1/a'", "linear", "quotient by a parameter"]),
    (["charges", "X_H"], "sin(a)", ["charges.X_H", "'sin(a)'", "linear", "only numbers, names"]),
    (["charges", "X_H"], "a**2", ["charges.X_H", "'a**2'", "linear"]),
    (["charges", "X_H"], "2*g_hat", ["charges.X_H", "'2*g_hat'", "not epsilon_hat or g_hat"]),
    (["charges", "X_H"], "M_X", ["charges.X_H", "'M_X'", "lower case first"]),
    (["charges", "X_H"], "1001*a", ["charges.X_H", "'1001*a'", "beyond 1000"]),
    (["charges", "X_H"], "theta_sb", ["theta_sb", "an angle or phase, too", "another name"]),
    (["flavour_changing"], {"X_l": []}, ["flavour_changing.X_l", "X_q"]),
    (["flavour_changing"], {"X_q": [{"families": 23}]}, ["X_q.0.charge", "families and charge"]),
    (
        ["flavour_changing"],
        {"X_d": [{"families": 33, "charge": 1}]},
        ["flavour_changing.X_d.0.families", "33", "12, 13 or 23"],
    ),
    (
        ["flavour_changing"],
        {"X_d": [{"families": 12, "charge": "a*a"}]},
        ["flavour_changing.X_d.0.charge", "'a*a'", "product"],
    ),
    (["parameters"], {"theta": {}}, ["parameters.theta", "epsilon_hat, g_hat, theta_sb"]),
    (["parameters"], {"theta_sb": {"unit": "m"}}, ["theta_sb.unit", "label, range, size"]),
    (["parameters"], {"theta_sb": {"label": "$a$"}}, ["theta_sb.label", "'$a$'", "without dollar"]),
    (["parameters"], {"theta_sb": {"range": [0.1]}}, ["theta_sb.range", "[0.1]", "[min, max]"]),
    (["parameters"], {"theta_sb": {"range": [1, 0]}}, ["theta_sb.range", "[1, 0]", "smaller"]),
    (["parameters"], {"theta_sb": {"size": 0}}, ["theta_sb.size", "0", "positive"]),
    (["charges", "X_H"], "", ["charges.X_H", "''", "fraction"]),
    (["charges", "X_H"], 1e4, ["charges.X_H", "10000", "1000"]),
    (["charges"], [1, 2], ["charges", "[1, 2]", "X_H"]),
    (
        ["mixing"],
        "rotation_sb",
        ["mixing", "'rotation_sb'", "{V_dL: [{plane: 23, angle: theta_sb}]"],
    ),
    (["mixing", "V_uL"], [], ["mixing.V_uL", "V_dL, V_dR, V_uR"]),
    (["mixing", "V_dL"], {"plane": 23}, ["mixing.V_dL", "list"]),
    (["mixing", "V_dL", 0, "plane"], 32, ["mixing.V_dL.0.plane", "32", "12, 13 or 23"]),
    (["mixing", "V_dL", 0, "plane"], "23", ["mixing.V_dL.0.plane", "'23'", "12, 13 or 23"]),
    (["mixing", "V_dL", 0, "angle"], ..., ["mixing.V_dL.0.angle", "plane and angle"]),
    (["mixing", "V_dL", 0, "angle"], 100, ["mixing.V_dL.0.angle", "100", "7"]),
    (
        ["mixing", "V_dL", 0, "angle"],
        "g_hat",
        ["mixing.V_dL.0.angle", "'g_hat'", "not epsilon_hat"],
    ),
    (["mixing", "V_dL", 0, "angle"], "M_X", ["mixing.V_dL.0.angle", "'M_X'", "lower case"]),
    (["mixing", "V_dL", 0, "phase"], None, ["mixing.V_dL.0.phase", "None", "parameter"]),
    (
        ["mixing", "V_dL"],
        [{"plane": 12, "angle": x} for x in range(-5, 5)],
        ["mixing.V_dL", "at most 9"],
    ),
    (["name"], "a/b", ["name", "'a/b'", "letters"]),
    (["name"], 7, ["name", "7", "letters"]),
    (["title"], "", ["title", "''", "text"]),
    (["reference"], 3, ["reference", "3", "text"]),
]


@pytest.mark.parametrize(
    ("path", "value", "words"), BAD, ids=[f"{'.'.join(map(str, p))}={v}" for p, v, _ in BAD]
)
def test_bad_content_is_refused(tmp_path, path, value, words):
    """Truth: the valid model with one wrong entry; key, value and advice are in the message."""
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)))
    with pytest.raises(ConfigurationError) as caught:
        Model.load(file)
    message = str(caught.value)
    for word in [*words, "accepted", str(file)]:
        assert word in message, message


def test_every_wrong_key_is_named():
    """Truth: three mistakes, three mentions."""
    data = changed(["charges", "X_H"], []) | {"first_wrong": 1, "second_wrong": 2}
    with pytest.raises(ConfigurationError) as caught:
        Model.from_dict(data)
    for word in ("X_H", "first_wrong", "second_wrong"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "just text", "[1, 2]", "a: [1", "\tb: 1", "a: b: c", "run: 2024-13-45\n"]
)
def test_what_is_not_a_model_is_refused(tmp_path, text):
    """Truth: files that are not YAML, or YAML of something else."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
        Model.load(file)


def test_binary_file_is_refused(tmp_path):
    """Truth: bytes that are no text."""
    file = tmp_path / "bad.yaml"
    file.write_bytes(b"\xff\xfe\x00\x89")
    with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
        Model.load(file)


def test_python_tags_are_not_executed(tmp_path):
    """Truth: the command in the file would leave a file behind."""
    proof = tmp_path / "executed"
    text = yaml.safe_dump(VALID).replace(
        "title: $T$", f'title: !!python/object/apply:os.system ["touch {proof}"]'
    )
    assert "python/object" in text
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
        Model.load(file)
    assert not proof.exists()


@pytest.mark.parametrize(
    "name",
    ["b3_l2", "no-such-model", "", "/nowhere/model.yaml", "x" * 300, "a\0b"],
    ids=["typo", "none", "empty", "path", "long", "zero byte"],
)
def test_unknown_model_lists_the_known_ones(name):
    """Truth: the folder's content."""
    with pytest.raises(ConfigurationError) as caught:
        Model.load(name)
    assert str(caught.value).startswith(f"model: {name!r}"[:60])
    for known in MODELS.glob("*.yaml"):
        assert known.stem in str(caught.value)


def test_folder_is_not_a_model(tmp_path):
    """Truth: a folder of that name."""
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder\.yaml"):
        Model.load(tmp_path / "folder.yaml")
