"""The DAG: which rules would run, without running them."""

import re
import subprocess

import pytest

from malaphoric.workflow.configuration import SECONDS_PER_POINT


def test_tiny_exact_run(workflow):
    """Every rule once, and a chunk job for every two of the four points."""
    assert workflow.plan() == {
        "likelihood": 1,
        "chunk": 2,
        "papers_points": 1,
        "scan": 1,
        "profile": 1,
        "best_fit": 1,
        "figures": 1,
        "figures_pulls": 1,
        "tables": 1,
        "comparison": 1,
        "record": 1,
        "page": 1,
    }


@pytest.mark.parametrize(("points", "chunks"), [(1.1, 4), (2.1, 2), (3.1, 2), (4.1, 1), (500, 1)])
def test_chunk_minutes(workflow, points, chunks):
    """The duration decides how many chunks there are, and the cost of a point."""
    workflow.configure(chunk_minutes=points * SECONDS_PER_POINT["exact"] / 60)
    assert workflow.plan()["chunk"] == chunks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": "b3-l2"}, "unknown key modle"),
        ({"grid": {"g_hat": {"min": 0, "max": 1, "points": 2}}}, "accepted: the key parameters"),
        ({"model": "b4"}, "model: 'b4' not found"),
        ({"parameters": {"M_X": -3000}}, "parameters.M_X: -3000 is not accepted"),
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


FILES = {
    "a key twice": (b"run: other\n", "line {line}: not valid YAML: the key 'run' stands twice"),
    "an object": (b"x: !!python/object/apply:os.system ['touch executed']\n", "not valid"),
    "an alias": (b"x: &x [1]\ny: *x\n", "the alias *x is not accepted"),
    "a template": (b"__use_yte__: true\n", "unknown key __use_yte__"),
    "bytes": (b"\xff\x00", "can't decode byte 0xff"),
}


@pytest.mark.parametrize("kind", FILES)
def test_bad_file_starts_no_job(workflow, kind):
    """What Snakemake would take, or complains of in its own words, ends it before any job."""
    path = workflow.configure()
    extra, message = FILES[kind]
    message = message.format(line=path.read_text().count("\n") + 1)
    path.write_bytes(path.read_bytes() + extra)
    result = workflow.run("--cores", "1", check=False)
    assert result.returncode == 1
    assert message in result.stdout
    assert not (workflow.folder / "results").exists()
    assert not (workflow.folder / "executed").exists()
    said = workflow.check(path)
    assert said.returncode == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr
    assert not (workflow.folder / "executed").exists()


def test_check(workflow):
    """A good file is accepted without a job; a template of Snakemake's is not executed."""
    said = workflow.check(workflow.configure())
    assert (said.returncode, said.stderr) == (0, "")
    assert "accepted, 4 points" in said.stdout
    path = workflow.folder / "template.yaml"
    path.write_text("__use_yte__: true\nrun: ?open('executed', 'w').name\n")
    assert workflow.check(path).returncode == 2
    assert not (workflow.folder / "executed").exists()
    for name in ("none.yaml", "."):
        said = workflow.check(workflow.folder / name)
        assert said.returncode == 2
        assert f"{workflow.folder / name}: cannot be read" in said.stderr
        assert "Traceback" not in said.stderr


def test_title_is_checked_before_any_job(workflow):
    """Not by the figures, hours later."""
    text = (workflow.project / "config/models/b3-l2.yaml").read_text()
    path = workflow.folder / "mine.yaml"
    path.write_text(text.replace("name: b3-l2", "name: mine").replace("$B_3 - L_2$", r"$\\frac$"))
    workflow.configure(model=str(path))
    result = workflow.run("--cores", "1", check=False)
    assert result.returncode == 1
    assert "model mine: title: " in result.stdout
    assert "Traceback" not in result.stdout
    assert not (workflow.folder / "results").exists()


@pytest.mark.parametrize("how", ["--dry-run", "--cores=1"])
def test_table_of_other_versions_is_named_before_any_job(workflow, how):
    """A flavio bumped without `make table`; which itself is not refused."""
    fake = workflow.folder / "site" / "flavio-99.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: flavio\nVersion: 99.0\n")
    workflow.environment["PYTHONPATH"] = str(fake.parent)
    path = workflow.configure(engine="compiled")
    result = workflow.run(how, check=False)
    said = workflow.check(path)
    for code, text in ((result.returncode, result.stdout), (said.returncode, said.stderr)):
        assert code > 0
        assert re.search("compiled.h5: .* installed is flavio 99.0; remake it .`make table`", text)
        assert "Traceback" not in text
    assert not (workflow.folder / "results").exists()
    assert workflow.plan("compile", "--forceall", "--config", "engine=exact")["compile_part"] == 6
    workflow.configure(engine="exact")  # masses are of the compiled engine in any case
    masses = workflow.run(how, "masses", check=False)
    assert masses.returncode == 1
    assert re.search("compiled.h5: .* installed is flavio 99.0; remake it", masses.stdout)
    assert not (workflow.folder / "results").exists()


def test_results_that_are_no_folder(workflow):
    """Something else has the name of the run: a sentence before any job."""
    (workflow.folder / "results").mkdir()
    (workflow.folder / "results/tiny").write_text("mine")
    result = workflow.run("--cores", "1", check=False)
    assert result.returncode == 1
    assert "results/tiny: this is no folder" in result.stdout
    assert "Traceback" not in result.stdout


def test_two_configurations_are_refused(workflow):
    """Snakemake would merge them, the last of two equal keys counts."""
    path = workflow.configure()
    other = workflow.folder / "other.yaml"
    other.write_text("parameters: {M_X: 5000}\n")
    command = [*workflow.command("--dry-run"), str(other)]
    assert command[-3:] == ["--configfile", str(path), str(other)]
    result = subprocess.run(
        command, capture_output=True, text=True, env=workflow.environment, check=False
    )
    assert result.returncode == 1
    assert "--configfile: 2 files are not accepted; accepted: one" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr + result.stdout


def test_default_configuration_is_loaded(workflow):
    """Without --configfile the project's config/config.yaml counts, and only it."""
    from harness import ROOT

    result = workflow.run("--dry-run", "--quiet", "rules", config=ROOT / "config" / "config.yaml")
    assert "results/b3-l2" in workflow.run("--dry-run", config=ROOT / "config/config.yaml").stdout
    assert result.returncode == 0


def test_table_is_remade_on_demand(workflow):
    """`make table`: independent parts and their assembly, and nothing else."""
    assert workflow.plan("compile", "--forceall") == {"compile_part": 6, "compile": 1}
    draws = {"compile_draws": 10, "compile_theory": 1}
    assert workflow.plan("compile_theory", "--forceall") == draws
    table = {"compile_part": 6, "compile": 1, "compile_extra": 1}
    assert workflow.plan("compile_extra", "--forceall") == table


def test_masses_on_demand(workflow):
    """Five masses, the data half, and one figure with its table."""
    assert workflow.plan("masses") == {
        "likelihood": 1,
        "mass": 5,
        "masses": 1,
    }
