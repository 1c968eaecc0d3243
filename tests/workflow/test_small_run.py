"""The whole workflow on a small grid, for everybody who has just installed it: in a minute.

It is held against the paper; what needs exact points or faults is in the other files.
"""

import json
import re

import pytest

from harness import COMPILED
from malaphoric.schema import load_schema

OUT = "results/compiled"


def test_from_nothing_to_figures(workflow):
    """Truth: Table 1 and Table 4 of the paper; LEP2 as corrected here."""
    default = load_schema("config")["properties"]["observables_of_interest"]["default"]
    workflow.configure(**COMPILED, validation={"points": 0}, observables_of_interest=default)
    workflow.run("--cores", "2")
    found = workflow.files("compiled")
    for name in ("fig2", "fig3_left", "fig3_right", "fig4", "profiles"):
        assert len(found[f"figures/{name}.png"]) > 10_000
        assert found[f"figures/{name}.pdf"].startswith(b"%PDF")
    fits = json.loads(found["best_fit.json"])
    assert fits["SM"]["chi2"] == pytest.approx(
        {"quarks": 419, "EWPOs": 36.8, "LEP2": 150, "LFU": 18.5, "global": 624}, abs=2
    )
    assert fits["unmixed"]["dchi2"]["global"] == pytest.approx(31.2, abs=1)
    mixed = fits["malaphoric"]
    assert mixed["dchi2"]["global"] == pytest.approx(38.2, abs=1)
    assert mixed["dchi2"]["LEP2"] == pytest.approx(-0.7, abs=0.2)
    place = [mixed[name] for name in ("epsilon_hat", "g_hat", "theta_sb")]
    assert place == pytest.approx([-0.92, 0.078, -0.17], abs=0.1)
    assert mixed["p_value_over"].keys() == {"SM", "unmixed"}
    assert "Not checked against exact points." in fits["notes"]
    # no other key may be the name of a fit
    own = load_schema("config")["properties"]["fits"]["propertyNames"]["pattern"]
    names = {name for name in fits if re.search(own, name)}
    assert names == set(fits["fits"]) == {"unmixed", "malaphoric"}
    assert workflow.plan() == {}
