"""The DAG: which rules would run, without running them."""

import pytest


def test_tiny_exact_run(workflow):
    """Every rule once, and a chunk job for every two of the four points."""
    assert workflow.plan() == {
        "likelihood": 1,
        "chunk": 2,
        "exact_points": 2,
        "scan": 1,
        "profile": 1,
        "best_fit": 1,
        "fig2": 1,
        "fig3_left": 1,
        "fig3_right": 1,
        "fig4": 1,
        "profiles": 1,
        "tables": 1,
        "pulls": 1,
        "comparison": 1,
    }


@pytest.mark.parametrize(("minutes", "chunks"), [(0.17, 4), (0.34, 2), (0.5, 2), (0.7, 1), (60, 1)])
def test_chunk_minutes(workflow, minutes, chunks):
    """Ten seconds a point: the duration decides how many chunks there are."""
    workflow.configure(chunk_minutes=minutes)
    assert workflow.plan()["chunk"] == chunks


def test_no_figure2_without_the_unmixed_plane(workflow):
    """Fig. 2 needs epsilon_hat = 0 in the grid."""
    grid = {
        "epsilon_hat": {"min": -0.9, "max": -0.5, "points": 2},
        "g_hat": {"min": 0.08, "max": 0.1, "points": 2},
        "theta_sb": {"min": -0.17, "max": -0.1, "points": 2},
    }
    workflow.configure(grid=grid)
    plan = workflow.plan()
    assert "fig2" not in plan
    assert "fig3_left" in plan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": "b3-l2"}, "unknown key modle"),
        ({"model": "b4"}, "model: 'b4' not found"),
        ({"M_X": -3000}, "M_X: -3000 is not accepted"),
        ({"categories": ["quark"]}, "categories.0: 'quark' is not accepted"),
        ({"engine": "fast"}, "engine: 'fast' is not accepted"),
    ],
)
def test_bad_configuration_starts_no_job(workflow, changes, message):
    """A configuration that is not accepted ends Snakemake before any job, in one sentence."""
    workflow.configure(**changes)
    result = workflow.run("--cores", "1", check=False)
    assert result.returncode != 0
    assert message in result.stdout
    assert "accepted:" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (workflow.folder / "results").exists()


def test_default_configuration_is_loaded(workflow):
    """Without --configfile the project's config/config.yaml counts, and only it."""
    from conftest import ROOT

    result = workflow.run("--dry-run", "--quiet", "rules", config=ROOT / "config" / "config.yaml")
    assert "results/b3-l2" in workflow.run("--dry-run", config=ROOT / "config/config.yaml").stdout
    assert result.returncode == 0
