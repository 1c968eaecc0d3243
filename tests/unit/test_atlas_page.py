"""What the page of an atlas says of invented fits, against counting."""

import re
from dataclasses import replace

import numpy as np
import pytest

from malaphoric.atlas import fitting
from malaphoric.report import atlas_page
from malaphoric.workflow.configuration import AtlasConfiguration

CHANCE = {"best": [3.0, 9.0], "best_of": {"5": {"median": 6.0, "quantile_95": 8.7}}}
CHANCE |= {"observed": 40.0, "p_value": 1 / 3, "models": 5}

RECORD = {"configuration": {"run": "mine"}, "check": "checked <a>", "git": None, "versions": {}}
RECORD |= {"system": {}, "files": {}, "data": {"digest": "0", "n_obs": {"global": 509}}}


@pytest.fixture
def atlas():
    """Twenty models, the last without a fit; the fifth to the tenth are at a limit."""
    run = AtlasConfiguration({"run": "mine", "atlas": {"N": 2}})
    found = fitting.Fitted.empty(run.models.taken(slice(20)), run.categories)
    rows = np.arange(19)
    for name, values in found.columns.items():
        values[rows] = 0.25
        if name.endswith("/dchi2"):
            values[rows, -1] = 40.0 - rows - 10 * name.startswith("unmixed")
        if name.endswith(("at_limit", "perturbative", "converged")):
            values[rows] = 0
    found.columns["mixed/at_limit"][4:10, 0] = 1
    found.columns["mixed/perturbative"][[2, 3, 12]] = 1
    found.reason[19] = "ValueError: <none>"
    left, notes = {"all": 99, "left": 20}, ["Data of <b>."]
    return atlas_page.Atlas(found, {"$L_1$": 11}, left, 3e3, None, CHANCE, None, notes)


def plain(text):
    return re.sub(r"<[^>]*>", "", text)


def test_sentences(atlas):
    """Truth: counting."""
    said = list(map(plain, atlas_page.sentences(atlas)))
    assert said[:4] == [
        "χ² of 19 models is below that of the Standard Model by 22.0 to 40.0, median 31.0: "
        "all parameters free.",
        "χ² of 19 models is below that of the Standard Model by 12.0 to 30.0, median 21.0: "
        "unmixed, ε̂ = 0.",
        "1 model without a fit, which the ranking gives the reason of.",
        "6 models with the best fit at a limit of what is physical (|ε| = 1, where no Z′ exists); "
        "3 of the others perturbative.",
    ]
    assert said[4].startswith("The best model: Xq = (")
    assert said[5].startswith("The best one that is at no limit and perturbative, number 3: Xq = (")
    assert said[6] == "L1: number 12 of 20, 29.0 below the SM; number 6 of the 13 at no limit."
    assert "p-value at most 0.33" in said[7]
    assert said[8:] == ["Data of &lt;b&gt;."]
    atlas.found.columns["mixed/dchi2"][:] = np.nan
    assert atlas_page.sentences(atlas) == ["No model has a fit: the ranking says why."]


def rows(html, table):
    """Rows of a table as text by the keys of its columns."""
    own = re.search(rf'id="table-{table}".*?</table>', html, re.S)[0]
    keys = re.findall(r'data-key="(\w+)"', own)
    lines = re.findall(r"<tr[^>]*><td>.*?</tr>", own)
    cells = [[plain(x) for x in re.findall(r"<td>(.*?)</td>", line)] for line in lines]
    return [dict(zip(keys, own, strict=True)) for own in cells], lines


def test_ranking(atlas, monkeypatch):
    """Truth: the fits; of very many models the best, and those that have a name."""
    monkeypatch.setattr(atlas_page, "_SHOWN", 5)
    html = atlas_page.make(atlas, RECORD, {}, {}, "charges up to 2", (0.68, 0.95))
    found, lines = rows(html, "ranking")
    assert [row["rank"] for row in found] == ["1", "2", "3", "4", "5", "12"]
    assert [row["known"] for row in found] == [""] * 5 + ["L1"]
    assert [row["dchi2"] for row in found] == ["40.00", "39.00", "38.00", "37.00", "36.00", "29.00"]
    assert [row["at_limit"] for row in found] == [""] * 4 + ["ε̂", ""]
    charges = [x.replace("−", "-").split() for x in (row["u"] for row in found)]
    assert np.array_equal(np.array(charges, dtype=int), atlas.found.models.of("u")[[*range(5), 11]])
    kinds = [re.findall(r' data-is="(.*?)"', line) for line in lines]
    assert kinds == [["0"], ["0"], ["0 1"], ["0 1"], [], ["0"]]
    assert "The best 5 of 20" in html
    assert "checked &lt;a&gt;" in html


def test_reasons(atlas):
    """Truth: the exception; nothing where there is no number."""
    html = atlas_page.make(atlas, RECORD, {}, {}, "charges up to 2", (0.68, 0.95))
    for table in ("ranking", "unmixed-fits"):
        last = rows(html, table)[0][19]
        assert last["reason"] == "ValueError: &lt;none&gt;"
        assert not any(last[key] for key in ("dchi2", "g_hat", "AIC", "perturbative", "at_limit"))


def test_exact_check(atlas, tmp_path):
    """Truth: the file; the largest error, and of what."""
    path = tmp_path / "models.csv"
    path.write_text("rank,model,exact_dchi2_global,error_quarks,error_LFU\n1,a,41.5,0.002,0.003\n")
    html = atlas_page.make(replace(atlas, exact=str(path)), RECORD, {}, {}, "N", (0.68, 0.95))
    assert (
        "1 model by smelli itself at their best fits; the compiled engine's χ² is off by 0.003 "
        in html
    )
    own = re.search(r'id="table-models-by-smelli".*?</table>', html, re.S)[0]
    assert [plain(x) for x in re.findall("<th.*?</th>", own)] == [
        "rank",
        "Δχ² global",
        "error quarks",
        "error LFU",
    ]
