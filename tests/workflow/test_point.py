"""The command line for one point, with the data of a finished run."""

import csv
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(compiled, tmp_path_factory):
    """The answer for the paper's malaphoric best fit: text, plain data and the WCxf file."""
    wcxf = tmp_path_factory.mktemp("point") / "point.json"
    command = [sys.executable, "-m", "malaphoric", "point", "--model", "b3-l2"]
    command += ["--epsilon-hat", "-0.92", "--g-hat", "0.078", "--theta-sb", "-0.17"]
    command += ["--data", str(compiled.folder / "results/compiled/likelihood.h5")]
    command += ["--wcxf", str(wcxf), "--json"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out), wcxf


def test_numbers_are_those_of_the_exact_engine(asked, compiled):
    """Table 4 of a run, where the same point is computed by smelli."""
    with open(compiled.folder / "results/compiled/tables/table4.csv") as file:
        rows = {row["fit"]: row for row in csv.DictReader(file)}
    exact = rows["malaphoric: the paper's point"]
    categories = asked[0]["categories"]
    for name in ("quarks", "EWPOs", "LEP2", "LFU", "global"):
        assert categories[name]["dchi2"] == pytest.approx(float(exact[f"dchi2_{name}"]), abs=0.01)
    assert categories["global"]["n_obs"] == 509
    assert asked[0]["ckm"]["gamma"] == pytest.approx(1.18, abs=0.01)
    assert len(asked[0]["pulls"]) > 490


def test_wcxf_loads_in_wcxf_and_wilson(asked):
    """The file is a valid WCxf file with the model's coefficients."""
    from wilson import Wilson, wcxf

    from malaphoric import Model

    with asked[1].open() as file:
        wc = wcxf.WC.load(file)
    wc.validate()
    expected = Model.load("b3-l2").smeft(-0.92, 0.078, -0.17)
    assert wc.dict["lq1_2223"] == pytest.approx(expected["lq1_2223"])
    with asked[1].open() as file:
        w = Wilson.load_wc(file)
    assert w.match_run(4.8, "WET", "flavio", sectors=("sb",)).dict["C9_bsmumu"].real < -0.5


def test_text_says_it_in_words(asked):
    """What the terminal shows: categories, pulls and coefficients."""
    from malaphoric.report import point

    text = point.text(asked[0])
    for words in (
        "Delta chi2",
        "CKM elements",
        "Largest pulls",
        "C9_bsmumu = -0.788",
        "g'(M_X) = 0.3647",
    ):
        assert words in text


POINT = ["--epsilon-hat", "0", "--g-hat", "0.1", "--theta-sb", "0.1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nope"], "'nope' not found; accepted:"),
        (["--model", "b3-l2", "--M-X=-5"], "M_X: -5.0 is not accepted; accepted:"),
        (["--model", "b3-l2", "--data", "none.h5"], "none.h5: cannot be read"),
        (["--model", "b3-l2"], "installed is flavio 99.0; remake it (`make table` in the"),
    ],
)
def test_what_is_refused(tmp_path, options, words):
    """One sentence, no traceback."""
    environment = dict(os.environ)
    if "make table" in words:
        fake = tmp_path / "flavio-99.0.dist-info"
        fake.mkdir()
        (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: flavio\nVersion: 99.0\n")
        environment["PYTHONPATH"] = str(tmp_path)
    command = [sys.executable, "-m", "malaphoric", "point", *options, *POINT]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_coefficients_that_cannot_be_written(asked, tmp_path, monkeypatch, capsys):
    """One sentence, too, after the work is done."""
    from malaphoric import __main__ as command

    known = SimpleNamespace(parameters=("epsilon_hat", "g_hat", "theta_sb"))
    monkeypatch.setattr(command, "load_likelihood", lambda *_, **__: known)
    monkeypatch.setattr(command.point, "describe", lambda *_, **__: asked[0])
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "point.json"
    with pytest.raises(SystemExit, match="2"):
        command.main(["point", "--model", "b3-l2", *POINT, "--wcxf", str(path)])
    assert f"error: {path}: cannot be written" in capsys.readouterr().err
