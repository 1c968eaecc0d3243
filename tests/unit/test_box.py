"""Proposed boxes of likelihoods whose best fit and 95% region are known."""

import numpy as np
import pytest
import yaml

from malaphoric import __main__
from malaphoric.inference import box
from malaphoric.inference.statistics import delta_chi2_level
from malaphoric.physics.model import Model
from malaphoric.report.paper import PARAMETERS as AXES
from malaphoric.scan.grid import Grid
from malaphoric.schema import ConfigurationError
from test_statistics import COVARIANCE, MINIMUM, parabola


class Known:
    """A likelihood with a chi2 by closed formula."""

    parameters = AXES
    model, M_X, chi2_sm = Model.load("b3-l2"), 3000.0, {"global": 160.0}

    def __init__(self, chi2=parabola):
        self.chi2_of_few = chi2


def test_the_box_holds_the_region_with_a_margin():
    """95% region of a parabola; |epsilon| = 1 ends it; epsilon_hat = 0 is a node; fine steps."""
    found = box.propose(Known())
    half = np.sqrt(delta_chi2_level(0.95, 2) * np.diag(COVARIANCE))
    for i, name in enumerate(AXES):
        low, high = MINIMUM[i] - half[i], MINIMUM[i] + half[i]
        assert found.best.values[name] == pytest.approx(MINIMUM[i], abs=1e-3)
        assert found.region[name][1] == pytest.approx(high, abs=1e-3)
        if i:
            assert found.region[name][0] == pytest.approx(low, abs=1e-3)
        axis = found.grid[name]
        assert axis["min"] < max(low, -1) or name == "g_hat"
        assert high < axis["max"] < high + 0.5 * half[i] + 0.1
    assert found.region["epsilon_hat"][0] is None
    assert found.grid["g_hat"]["min"] == 0
    grid = Grid.from_dict(yaml.safe_load(box.text(found.grid))["parameters"])
    assert 0 in grid.axes[0]
    # a parabola through three values of theta_sb dips by at most 0.5
    step = grid.axes[2][1] - grid.axes[2][0]
    assert step**2 * np.linalg.inv(COVARIANCE)[2, 2] / 4 <= 0.5
    assert grid.size < 2e6


def test_a_parameter_without_effect_has_one_point():
    """No scan of what chi2 does not depend on."""

    def blind(points):
        return parabola(np.where([True, True, False], points, -0.15))

    found = box.propose(Known(blind))
    assert found.best.undetermined == ["theta_sb"]
    assert found.grid["theta_sb"] == 0.0


def test_more_axes_than_a_grid_can_have_are_profiled():
    """Four parameters of a parabola: a grid of two, the others minimised at its points."""
    own = Known(
        lambda points: {"global": parabola(points[:, :3])["global"] + 1e3 * points[:, 3] ** 2}
    )
    own.model = Model.load("deformed-hypercharge")
    own.parameters = (*AXES, "theta_R")
    found = box.propose(own)
    written = yaml.safe_load(box.text(found.grid))["parameters"]
    assert [name for name, x in written.items() if "points" in str(x)] == list(AXES[:2])
    for name in ("theta_sb", "theta_R"):
        assert written[name]["profile"] is True
        assert written[name]["min"] < found.region[name][0]
        assert written[name]["max"] > found.region[name][1]


def test_a_narrow_valley_is_left(capsys, monkeypatch):
    """A second minimum is said; a valley that goes on to strong couplings makes no step coarse."""

    def valley(points):
        e, g, t = points.T
        best = (((e + 0.6) / 0.2) ** 2, ((g - 0.1) / 0.02) ** 2, ((t + 0.15) / 0.05) ** 2)
        second = ((e + 0.6) / 0.2) ** 2 + ((g - 0.1) / 0.02) ** 2 + ((t - 0.4) / 0.05) ** 2
        long = 5 + ((e + 0.6) / 0.2) ** 2 + ((g * t + 0.015) / 0.006) ** 2
        return {"global": 100 + np.minimum(np.minimum(sum(best), 1.5 + second), long)}

    monkeypatch.setattr(__main__, "load_likelihood", lambda *args, **kwargs: Known(valley))
    assert __main__.main(["box", "b3-l2"]) == 0
    text = capsys.readouterr().out
    assert (
        "# another minimum, chi2 1.50 higher: epsilon_hat = -0.6, g_hat = 0.1, theta_sb = 0.4"
        in text
    )
    assert "to the physical limit" in next(x for x in text.splitlines() if "g_hat from" in x)
    axis = Grid.from_dict(yaml.safe_load(text)["parameters"]).named["g_hat"]
    half = 0.02 * np.sqrt(delta_chi2_level(0.68, 2))
    assert 2 * half / (axis[1] - axis[0]) > 20
    assert 0.1 + 3 * half < axis[-1] < 0.1 + 5 * half
    (said,) = [line for line in text.splitlines() if "narrow valley" in line]
    needed = int(said.split("would need ")[1].split()[0])
    assert needed == pytest.approx(np.sqrt(4 * np.pi) / 3 / (axis[1] - axis[0]), rel=0.2)


def test_a_file_of_a_run_is_no_model(capsys):
    """The model that it names is."""
    with pytest.raises(SystemExit):
        __main__.main(["box", "config/config.yaml"])
    assert "accepted: the model that it names, b3-l2" in capsys.readouterr().err


def test_a_range_is_where_a_box_is():
    """Truth: the range of a parameter, which no axis leaves; the largest coupling is 3 g_X."""

    def of(**about):
        own = Known()
        own.parameters = ("epsilon_hat", "g_hat", "a")
        text = Model.load("b3-l2").as_dict()
        text["charges"]["X_l"] = [0, "-3*a", 0]
        text |= {"title": "m", "mixing": {}, "parameters": {"a": about}}
        own.model = Model.from_dict(text)
        return own

    found = box.propose(of(range=[-0.17, 1]))
    axis, limits = found.grid["a"], box.physical(of(range=[-0.17, 1]))
    assert found.region["a"][0] is None
    assert -0.17 <= axis["min"] < -0.16
    assert limits["a"] == (-0.17, 1)
    assert limits["g_hat"][1] == pytest.approx(np.sqrt(4 * np.pi) / 3)
    with pytest.raises(ConfigurationError, match=r"model b3-l2: missing key parameters\.a\.range"):
        box.propose(of(size=0.1))


def test_nothing_valid_is_no_box(monkeypatch, capsys):
    """Said in words by the command."""

    def nothing(points):
        return {"global": np.full(len(points), np.nan)}

    assert box.propose(Known(nothing)) is None
    monkeypatch.setattr(__main__, "load_likelihood", lambda *args, **kwargs: Known(nothing))
    assert __main__.main(["box", "b3-l2"]) == 0
    assert "no valid point" in capsys.readouterr().out


def test_the_command_prints_what_a_configuration_takes(monkeypatch, capsys):
    """`python -m malaphoric box MODEL`: comments and a block of YAML."""
    monkeypatch.setattr(__main__, "load_likelihood", lambda *args, **kwargs: Known())
    assert __main__.main(["box", "b3-l2", "--engine", "compiled"]) == 0
    text = capsys.readouterr().out
    assert "chi2_SM - chi2 = 59.00" in text
    assert "epsilon_hat from the physical limit to" in text
    size = Grid.from_dict(yaml.safe_load(text)["parameters"]).size
    assert f"# {size} points: about " in text
    assert set(yaml.safe_load(text)["parameters"]) == {*AXES, "M_X"}
