"""Recipes: what depends on what, and where they are kept."""

import json
import os

import pytest

from malaphoric import store
from malaphoric.data import theory
from malaphoric.report.paper import FITS, PARAMETERS
from malaphoric.workflow import archive, configuration, jobs
from malaphoric.workflow import recipes as recipes_module
from malaphoric.workflow.configuration import Configuration
from malaphoric.workflow.recipes import Recipes
from test_configuration import FULL, MINIMAL, changed

COMPILED = {**FULL, "engine": "compiled"}
SMALL = {name: {"min": 0, "max": 0.05, "points": 2} for name in PARAMETERS}


def recipes(path=(), value=None, data=COMPILED):
    return Recipes(Configuration(changed(list(path), value, data) if path else data))


def differing(one, two):
    return {name for name in one | two if one.get(name) != two.get(name)}


WEIGHED = {"likelihood", "chunk-0", "scan", "profile", "best_fit", "validate", "tables"}
FIGURES = {"figures", "figures_pulls", "figures_c9"}
WEIGHED |= {"c9", "comparison", "record", "page", *FIGURES}
CHECK = {"validation_points", "exact_points", "validate"}
WEIGHED |= CHECK
MASSES = {f"mass-{m}" for m in (1000, 2000, 3000, 5000, 10000)} | {"masses"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["parameters", "M_X"], 2900, {*WEIGHED, "running", "running-extra"} - {"likelihood"}),
        (["lep2_set"], "full", WEIGHED | MASSES),
        (["covariance", "seed"], 2, {"measurements"} | WEIGHED | MASSES),
        (["categories"], ["quarks"], (WEIGHED | MASSES) - {"likelihood", "chunk-0"}),
        (["chunk_minutes"], 9, {"record", "page"}),
        (["validation", "seed"], 2, CHECK | {"record", "page"}),
        (["observables_of_interest"], ["m_W"], {"figures_pulls", "record", "page"}),
        (
            ["fits"],
            {"small": {"theta_sb": -0.1}, **FITS},
            (WEIGHED | MASSES) - {"likelihood", "chunk-0", "scan"},
        ),
    ],
    ids=lambda x: ".".join(x) if isinstance(x, list) else "",
)
def test_what_a_key_changes(path, value, expected):
    """Truth: what the key means; M_X in the configuration is not that of the rule masses."""
    assert differing(recipes(), recipes(path, value)) - {"export"} == expected


@pytest.fixture
def described(tmp_path):
    """Recipes of a run whose model says something of its angle."""

    def described(**about):
        text = (configuration.Model.find("b3-l2")).read_text()
        path = tmp_path / "b3-l2.yaml"
        path.write_text(text + (f"parameters: {{theta_sb: {about}}}\n" if about else ""))
        return recipes(["model"], str(path), changed(["data"], {}, COMPILED))

    return described


@pytest.mark.parametrize(
    ("about", "other", "expected"),
    [
        ({"label": "a"}, {"label": "b"}, {"masses", "page", *FIGURES}),
        ({"range": [-1, 1]}, {"range": [-2, 1]}, {"best_fit"}),
        ({"size": 0.1}, {"size": 0.2}, {"best_fit", "validation_points", *MASSES} - {"masses"}),
    ],
    ids=["label", "range", "size"],
)
def test_what_is_said_of_a_parameter_is_no_physics(described, about, other, expected):
    """Truth: labels are drawn, fits and their check take sizes, notes and boxes ranges."""
    one, two = described(**about), described(**other)
    assert one.chunks == two.chunks
    own = {name for name in one if one[name].settings != two[name].settings}
    assert own - {"record", "export"} == expected
    if "page" in expected:
        for other in (two, described(), recipes(data=changed(["data"], {}, COMPILED))):
            assert differing(one, other) - {"record", "export"} == expected


def test_chunks_know_their_theory_and_their_points():
    """Truth: another theory, grid or (compiled engine only) data shares no chunk.

    A run of another name does. Where the engine is exact, additional observables are in files of
    their own.
    """
    for data in (FULL, COMPILED):
        data = changed(["chunk_minutes"], 1, data)
        names = set(recipes(data=data).chunks)
        for path, value in ((["parameters", "M_X"], 4000), (["parameters", "g_hat", "max"], 0.21)):
            assert not names & set(recipes(path, value, data).chunks)
        assert set(recipes(["run"], "b", data).chunks) == names
        other = set(recipes(["lep2_set"], "full", data).chunks)
        assert other == names if data["engine"] == "exact" else not other & names
    one, two = (recipes(data=x).prefixes for x in (FULL, changed(["data"], {}, FULL)))
    assert two == one[:1] != one[1:]


def test_chunks_of_minima_know_their_categories():
    """Truth: the minimum of a sum is not the sum of minima; points have all categories."""
    profiled = {"min": -0.3, "max": 0.3, "profile": True}
    for angle, same in ((COMPILED["parameters"]["theta_sb"], True), (profiled, False)):
        data = changed(["parameters", "theta_sb"], angle, COMPILED)
        one, two = recipes(data=data), recipes(["categories"], ["LFU"], data)
        assert (one.chunks == two.chunks) is same
        assert (one["chunk-0"] == two["chunk-0"]) is same
        assert ("masses" in one) is same


def test_additional_observables_leave_the_other_exact_chunks_alone():
    """Truth: what is computed for them is in files of its own."""
    with_them, without = recipes(data=FULL), recipes(data=changed(["data"], {}, FULL))
    assert with_them["chunk-0"] == without["chunk-0"]
    assert "chunk-1" not in without


def test_another_table_of_the_compiled_engine(tmp_path, monkeypatch):
    """Truth: what is made with it, at every mass; exact engine and data know nothing of it."""
    before, exact = recipes(), recipes(data=FULL)
    path = tmp_path / "compiled.h5"
    path.write_bytes(b"another")
    for module in (configuration, recipes_module):
        monkeypatch.setattr(module, "TABLE", path)
    changed_ones = differing(before, recipes()) - {"export"}
    made = {"running", "extra_table", "running-extra"}
    assert changed_ones == {*WEIGHED, *made, *MASSES} - {"likelihood"}
    assert differing(exact, recipes(data=FULL)) - {"export", "record", "page"} == MASSES


@pytest.mark.parametrize(
    ("epsilon_hat", "theta_sb", "figures"),
    [
        ((-0.9, 0, 2), (-0.17, -0.1, 2), {"fig2", "fig3_left", "fig3_right", "fig4", "profiles"}),
        ((-0.9, -0.5, 2), (-0.17, -0.1, 2), {"fig3_left", "fig3_right", "fig4", "profiles"}),
        (0, (-0.17, -0.1, 2), {"fig2", "profiles", "fig4"}),
        (-0.9, (-0.17, -0.1, 2), {"fig3_left", "profiles", "fig4"}),
        ((-0.9, 0, 2), -0.17, {"fig3_left", "profiles", "fig4"}),
        (0, -0.17, {"profiles", "fig4"}),
    ],
)
def test_figures_follow_the_grid(epsilon_hat, theta_sb, figures):
    """Fig. 2 needs epsilon_hat = 0, Fig. 3 a plane that is not that of Fig. 2, profiles an axis."""
    keys = ("min", "max", "points")
    given = {"epsilon_hat": epsilon_hat, "g_hat": (0.08, 0.1, 2), "theta_sb": theta_sb}
    grid = {
        name: dict(zip(keys, axis, strict=True)) if isinstance(axis, tuple) else axis
        for name, axis in given.items()
    }
    assert set(recipes(["parameters"], grid).figures) == {*figures, "c9"}


def test_listed_figures_replace_the_papers():
    """Truth: in the order of the parameters; pulls in any case; C9 where it is listed."""
    listed = [["theta_sb", "epsilon_hat"], "g_hat"]
    for more, drawn in (([], set()), (["c9"], {"c9"})):
        found = recipes(["figures"], [*listed, *more])
        expected = ["planes/epsilon_hat-theta_sb", "profiles/g_hat", "fig4", *more]
        assert found.figures == expected
        assert drawn == {"c9"} & set(found)
        changed_ones = differing(recipes(), found) - {"export", "c9", "figures_c9"}
        assert changed_ones == {"figures", "record", "page"}


@pytest.mark.parametrize(
    ("angle", "planes"),
    [
        ({"min": -0.3, "max": 0.3, "points": 3}, ["c9", "c9_primed"]),
        ({"min": -0.3, "max": 0.3, "profile": True}, ["c9", "c9_primed"]),
        (0.1, ["c9", "c9_primed"]),
        (0, ["c9"]),
    ],
)
def test_planes_of_c9(angle, planes):
    """Truth: primed coefficients need right-handed b-s mixing, and all of them tables."""
    data = {**changed(["parameters", "theta_R"], angle, COMPILED), "model": "deformed-hypercharge"}
    assert recipes(data=data)["c9"].settings["planes"] == planes
    assert recipes(data=COMPILED)["c9"].settings["planes"] == ["c9"]
    assert recipes(data=FULL).run.c9_planes == []
    assert "c9" not in recipes(data=FULL)
    assert not {"c9", "c9_primed"} & set(recipes(data=FULL).figures)


def test_the_coupling_without_a_hat_needs_the_mass():
    """Truth: axes of g_hat and M_X, no others."""
    axis = {"min": 1000, "max": 3000, "points": 3}
    assert "mass_coupling" not in recipes().figures
    with_mass = changed(["parameters", "M_X"], axis, COMPILED)
    assert "mass_coupling" in recipes(data=with_mass).figures
    fixed = changed(["parameters", "g_hat"], 0.1, with_mass)
    assert "mass_coupling" not in recipes(data=fixed).figures


def test_settings_are_plain_data():
    """Truth: JSON and back."""
    for recipe in recipes().values():
        assert json.loads(recipe.text)["settings"] == recipe.settings


def test_the_papers_points_are_for_the_papers_model():
    """Truth: charges, mass, data, categories; not where nothing is evaluated exactly."""
    plain = changed(["data"], {}, COMPILED)
    assert "papers_points" in recipes(data=plain)
    assert "papers_points" in recipes(["engine"], "exact", plain)
    assert "papers_points" not in recipes()  # other data
    assert "papers_points" not in recipes(["lep2_set"], "full", plain)
    assert "papers_points" not in recipes(["categories"], ["LFU"], plain)
    assert "papers_points" not in recipes(["validation", "points"], 0, plain)
    assert "papers_points" not in recipes(["parameters"], {**SMALL, "M_X": 50000}, plain)
    assert "papers_points" not in recipes(["model"], "3b3-le-2lmu", plain)


def test_a_run_that_is_not_checked_says_so():
    """Truth: the words in what is drawn and written; no rule that checks, and the same scan."""
    checked, unchecked = recipes(), recipes(["validation", "points"], 0)
    assert not CHECK & set(unchecked)
    assert unchecked["scan"] == checked["scan"]
    assert unchecked["best_fit"].settings["note"] == "not checked against exact points"
    assert checked["best_fit"].settings["note"] == ""
    for name in ("best_fit", "tables", "comparison", "record"):
        assert "not checked against exact points" in unchecked[name].settings["check"]
        assert "not checked" not in checked[name].settings["check"]
    assert recipes(["engine"], "exact")["best_fit"].settings["note"] == ""


SHIPPED = {"include": [["<P5p>(B0->K*mumu)", 1.1, 2], ["<P2>(B0->K*mumu)", 4.3, 6]]}


def test_additional_observables_that_ship(tmp_path, monkeypatch):
    """Truth: nothing is computed of them, what is made of them knows the package's files."""
    data = changed(["data", "quarks", "observables"], SHIPPED, COMPILED)
    before, exact = recipes(data=data), recipes(data={**data, "engine": "exact"})
    for found in (before, exact):
        assert not {"extra", "extra_table"} & set(found)
    more = {"include": [*SHIPPED["include"], "BR(B+->Knunu)"]}
    other = recipes(["data", "quarks", "observables"], more, data)
    assert {"extra", "extra_table"} <= set(other)
    one = {"include": SHIPPED["include"][:1]}
    other = recipes(["data", "quarks", "observables"], one, data)
    assert other["running-extra"] == before["running-extra"]
    assert other["likelihood"] != before["likelihood"]
    path = tmp_path / "another.h5"
    path.write_bytes(b"another")
    tables = {"running-extra", *MASSES, *WEIGHED} - {"likelihood", "exact_points"}
    files = [(theory, "PACKAGED", WEIGHED | MASSES)]
    for module in (configuration, recipes_module):
        files.append((module, "EXTRA_TABLE", tables if module is recipes_module else set()))
    for module, name, expected in files:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, path)
            assert expected <= differing(before, recipes(data=data))


def test_minimal_configuration_has_no_additional_observables():
    """Truth: nothing is included beyond smelli's."""
    assert not {"extra", "extra_table"} & set(Recipes(Configuration(MINIMAL)))


class TestKept:
    """Files of recipes."""

    @pytest.fixture
    def made(self, tmp_path):
        """A file that was made by recipe "one"."""
        path = tmp_path / "made.h5"
        with store.signing(store.digest("one"), lambda: True), store.create(path):
            pass
        return path

    def test_same_recipe_same_file(self, tmp_path, made):
        """Truth: the time stamp."""
        path = tmp_path / "recipe.json"
        jobs.keep(path, "one", [made], True)
        os.utime(path, (1, 1))
        jobs.keep(path, "one", [made, tmp_path / "absent.h5"], True)
        assert path.stat().st_mtime == 1

    def test_other_recipe_newer_file(self, tmp_path, made):
        """Truth: the content; a dry run leaves it alone."""
        path = tmp_path / "recipe.json"
        jobs.keep(path, "one", [], True)
        before = path.read_text()
        jobs.keep(path, "two", [], False)
        assert path.read_text() == before
        jobs.keep(path, "two", [], True)
        assert json.loads(path.read_text())["recipe"] == "two"

    @pytest.mark.parametrize("kind", ["h5", "json"])
    def test_foreign_file_is_made_again(self, tmp_path, made, kind):
        """Truth: its mark; another content of the recipe's file, so that Snakemake notices."""
        if kind == "json":
            made = tmp_path / "made.json"
            store.write_json(made, {"recipe": store.digest("one")})
        path = tmp_path / "recipe.json"
        jobs.keep(path, "two", [], True)
        before = path.read_text()
        jobs.keep(path, "two", [made], True)
        assert path.read_text() != before
        assert json.loads(path.read_text())["recipe"] == "two"

    @pytest.mark.parametrize("content", ["[1, 2]", "3", "{}", '{"recipe": 1}', "{"])
    def test_damaged_file_is_made_again(self, tmp_path, content):
        """JSON that is no recipe, and no result: neither is an error, both are replaced."""
        path, made = tmp_path / "recipe.json", tmp_path / "made.json"
        path.write_text(content)
        made.write_text(content)
        assert jobs.kept(path) in (None, 1)
        assert store.recipe_of(made) in ("", 1)
        jobs.keep(path, "one", [made], True)
        assert json.loads(path.read_text())["recipe"] == "one"

    def test_who_no_longer_counts_removes_nothing(self, tmp_path):
        """A job of an earlier configuration, held back: figures of the new one stay."""
        figure = tmp_path / "figures/fig2.png"
        store.write_text(figure, "of the new configuration")
        settings = {"recipes": {"masses": {}}, "chunks": []}
        with (
            store.signing("x", lambda: False),
            pytest.raises(store.StoreError, match="a run of another"),
        ):
            archive.tidy(tmp_path, [], settings)
        assert figure.exists()
        assert archive.tidy(tmp_path, [], settings) == [figure]

    def test_what_others_have_made_is_removed(self, tmp_path):
        """Of an atlas, of another engine, for masses of another recipe; what is still so stays."""
        masses = {"mass-1000": {"old": 1}, "mass-2000": {"new": 2}, "masses": {"old": 3}}
        marks = {name: store.digest(store.canonical(recipe)) for name, recipe in masses.items()}
        stale = ["figures/atlas_c9.png", "ranking.h5", "tables/pulls.csv", "running.h5"]
        stale += ["figures/masses.csv", "tables/masses.md", "masses/1000.json", "masses/1000.h5"]
        stays = ["best_fit.h5", "masses/2000.json", "likelihood.h5", "tables/table1.csv"]
        for name in (*stale, *stays, "figures/masses.png"):
            (path := tmp_path / name).parent.mkdir(exist_ok=True)
            path.write_text(marks.get(f"mass-{path.stem}", marks["masses"]))
        recipes = {**masses, "mass-1000": {"new": 1}, "masses": {"new": 3}, "best_fit": {}}
        settings = {"recipes": recipes, "chunks": []}
        gone = archive.tidy(tmp_path, [tmp_path / "tables/table1.csv"], settings)
        assert {str(path.relative_to(tmp_path)) for path in gone} == {*stale, "figures/masses.png"}
        assert all((tmp_path / name).exists() for name in stays)
        assert archive.tidy(tmp_path, [tmp_path / "tables/table1.csv"], settings) == []

    def test_who_no_longer_counts_writes_nothing(self, tmp_path):
        """Truth: the old content stays, no temporary file does."""
        path = tmp_path / "a.txt"
        store.write_text(path, "new configuration")
        with (
            store.signing("x", lambda: False),
            pytest.raises(store.StoreError, match=r"a\.txt: not written: a run of another"),
        ):
            store.write_text(path, "old configuration")
        assert path.read_text() == "new configuration"
        assert list(tmp_path.iterdir()) == [path]
