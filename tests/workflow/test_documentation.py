"""Every command and every piece of code in README and docs works, or a named test runs it.

`EXERCISED` says how, for each of them: a command that is new in a page and not in this table
fails. Commands run as a reader would type them, in a copy of the project with a finished run of the
compiled engine under the name of the default one's configuration file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import ROOT
from malaphoric import Model
from malaphoric.data import overlays
from malaphoric.physics.facts import anomalies
from malaphoric.schema import load_schema
from malaphoric.workflow.configuration import AtlasConfiguration, Configuration

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
PAGES += [ROOT / "config/data/README.md", ROOT / "config/data/2026/README.md"]
PAGES += sorted((ROOT / "docs").glob("[!_]*/*.md"))
OWN = ROOT / "docs/own-model.md"

#: What a command in running text begins with.
_COMMAND = re.compile(
    r"(?:time )?(?:make|snakemake|python|pytest|docker|apptainer|pip|git|squeue|tail) "
    r"|… scale|\. \.venv"
)


def see(*tests: str) -> tuple:
    """Run by these tests: ``file::function``, or a file of continuous integration that says it."""
    return "see", tests


def run(*commands: str) -> tuple:
    """Run in the copy of the project, in these words."""
    return "run", commands


#: As it stands in the page.
AS_IS = run()

CI = see(".ci/run")
SLURM = see("test_slurm.py::test_scan_survives_what_happens_to_jobs")
DRY = "snakemake -n --quiet rules --workflow-profile profiles/slurm"

# -o: the environment is there. One core, because tests share the machine.
MAKE = "make -o .venv/.installed CORES=1 "

#: In the order of the page, which begins with nothing.
STEP = see("test_documentation.py::test_own_model")

EXERCISED = {
    "make run": run(MAKE + "run"),
    "python -m malaphoric model my/2b3-l2-l3.yaml": STEP,
    "python -m malaphoric box my/2b3-l2-l3.yaml": STEP,
    "python -m malaphoric check my/run.yaml": STEP,
    "make run CONFIG=my/run.yaml": STEP,
    "python -m malaphoric model my/2b3-l2-l3.yaml --set epsilon_hat=-0.84 g_hat=0.2 "
    "theta_sb=-0.105": STEP,
    "make docs": see("test_documentation.py::test_site"),
    'make docs SPHINXOPTS="-D nb_execution_mode=off"': see("test_documentation.py::test_site"),
    "make run VERBOSE=1": run("make -n run VERBOSE=1"),
    "make run PYTHON=python3.12": run("make -n run PYTHON=python3.12"),
    "make run CONFIG=config/3b3-l.yaml": run("python -m malaphoric check config/3b3-l.yaml"),
    "make run CONFIG=config/b3-l2-2026.yaml": run(
        "python -m malaphoric check config/b3-l2-2026.yaml"
    ),
    "make test": run("make -n test"),  # `make test-all` runs its tests
    "make test-all": CI,
    'pytest tests/unit -k "bits or exact_engine or neighbours"': see(
        "tests/unit/test_compiled.py::test_bits_whatever_the_shell"
    ),
    "python -m malaphoric box MODEL": see("test_compiled_run.py::test_the_default_box_is_proposed"),
    "python -m malaphoric point": see("test_point.py::test_numbers_are_those_of_the_exact_engine"),
    "make setup": CI,
    "make style": run("make -n style"),  # `make test-all` begins with it
    "make lock": run("make -n lock"),  # asks a registry
    "make bench": run("make -n bench"),  # minutes; not for tests
    "make table": run("make -n table"),  # too long for a test; parts of it:
    "snakemake compile_theory compile_extra --cores 2 --config engine=exact "
    "--allowed-rules compile_draws compile_theory compile_extra": run(
        "snakemake compile_theory compile_extra -n --config engine=exact"
    ),
    "make why": run(MAKE + "why"),
    "make export": see("test_documentation.py::test_export_and_make_check"),
    "make check": see("test_documentation.py::test_export_and_make_check"),
    "snakemake --cores 2": AS_IS,
    "snakemake --cores 2 --configfile config/paper.yaml": run(
        "snakemake --cores 2 --configfile config/paper.yaml -n --quiet rules"
    ),
    "snakemake --cores 2 atlas --configfile config/atlas.yaml": run(
        "snakemake --cores 2 atlas --configfile config/atlas.yaml -n --quiet rules"
    ),
    "make run CONFIG=config/atlas.yaml": run("make -n run CONFIG=config/atlas.yaml"),
    "python -m malaphoric check config/atlas.yaml": AS_IS,
    "make why CONFIG=config/atlas.yaml": see("test_atlas_run.py::test_whole_and_again"),
    "python tests/benchmarks/atlas.py": run("python tests/benchmarks/atlas.py 1 1"),
    "snakemake -n": AS_IS,
    "snakemake --cores 2 --report report.html": AS_IS,
    "snakemake --cores 2 masses": run("snakemake --cores 2 masses -n --quiet rules"),
    "snakemake --unlock": AS_IS,
    "snakemake --configfile FILE": run("snakemake -n --configfile config/config.yaml"),
    "snakemake -n --quiet rules": see("test_profiles.py::test_hundred_million_exact_points"),
    DRY: AS_IS,
    "snakemake --workflow-profile profiles/slurm": SLURM,
    "snakemake --workflow-profile profiles/slurm --configfile config/exact-small.yaml "
    "--config chunk_minutes=5": run(
        f"{DRY} --configfile config/exact-small.yaml --config chunk_minutes=5"
    ),
    "snakemake --workflow-profile profiles/slurm --configfile config/paper.yaml": SLURM,
    "python -m malaphoric model b3-l2 --set epsilon_hat=-0.92 g_hat=0.078 theta_sb=-0.17": AS_IS,
    "python -m malaphoric check FILE": run("python -m malaphoric check config/config.yaml"),
    "python -m malaphoric check": run("python -m malaphoric check config/paper.yaml"),
    "python -m malaphoric check --quick": run(
        "python -m malaphoric check --quick config/b3-l2-2026.yaml"
    ),
    "python -m malaphoric point --model b3-l2 --epsilon-hat -0.92 --g-hat 0.078 --theta-sb "
    "-0.17": see("test_point.py::test_numbers_are_those_of_the_exact_engine"),
    "python scripts/coverage.py results/b3-l2": run("python scripts/coverage.py OUT 20"),
    "python scripts/coverage.py results/b3-l2 2000": run("python scripts/coverage.py OUT 20"),
    "python scripts/correlations.py config/b3-l2-2026.yaml": AS_IS,
    "python scripts/leave_out.py config/b3-l2-2026.yaml": AS_IS,
    "python scripts/compare.py results/b3-l2 results/b3-l2-2026": see(
        "tests/unit/test_compare.py::test_two_runs"
    ),
    "python tests/benchmarks/scale.py": run(
        "python tests/benchmarks/scale.py small OUT/likelihood.h5"
    ),
    "… scale.py table": run("python tests/benchmarks/scale.py table"),
    "python tests/benchmarks/bosons.py": run("python tests/benchmarks/bosons.py 0 B-L"),
    ". .venv/bin/activate": run(". .venv/bin/activate && snakemake --version"),
    "tail results/<run>/logs/chunks/*.log": run("tail OUT/logs/chunks/*.log"),
    "pytest -m slurm -v": SLURM,
    'squeue --me -o "%i %T %M %k"': SLURM,
    "pip install snakemake-executor-plugin-htcondor": CI,
    "pip install .": see("test_wheel.py::test_answers_are_those_of_the_checkout"),
    "git clone <address of this project> malaphoric && cd malaphoric": run(
        "git clone --quiet . cloned/malaphoric && cd cloned/malaphoric && test -f Makefile"
    ),
    "docker build -t malaphoric -f workflow/envs/Dockerfile .": see(
        "test_profiles.py::test_container_recipe_is_clean"
    ),
    'docker run --rm -v "$PWD":/data malaphoric --cores 8 --configfile mine.yaml': see(
        "test_profiles.py::test_container_recipe_is_clean"
    ),
    "apptainer run malaphoric.sif …": see("test_profiles.py::test_container_recipe_is_clean"),
}


def fenced(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


def without_code(page: Path) -> str:
    """Text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def steps(page: Path) -> list[str]:
    """Commands of a page in lines of their own, in its order, without comments."""
    blocks = re.findall(r"(?:^|\n\n)((?:    .*\n)+)", without_code(page))
    return [re.sub(r"\s+# .*", "", line).strip() for block in blocks for line in block.splitlines()]


def commands(page: Path) -> set[str]:
    """Commands of a page: indented ones, and those in running text."""
    spans = re.findall(r"`([^`\n]+)`", without_code(page))
    found = [*steps(page), *filter(_COMMAND.match, spans)]
    return {command.removeprefix("time ") for command in found}


ALL = {command for page in PAGES for command in commands(page)}


def test_links_lead_to_files():
    """As GitHub follows them; the site has its own test."""
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", without_code(page)):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_every_command_is_exercised():
    """A command is in the table, an entry of the table in a page."""
    assert ALL - set(EXERCISED) == set()
    assert set(EXERCISED) - ALL == set()


def test_named_tests_exist():
    """Truth: the files; a test that was renamed is not forgotten here."""
    for command, (how, names) in EXERCISED.items():
        for name in names if how == "see" else ():
            if name == ".ci/run":
                assert command.split()[-1] in (ROOT / name).read_text(encoding="utf-8")
            file, _, function = name.partition("::")
            path = ROOT / file if "/" in file else Path(__file__).parent / file
            assert path.is_file(), name
            assert f"def {function}" in path.read_text(encoding="utf-8") or not function, name


@pytest.fixture(scope="module")
def project(compiled, tmp_path_factory):
    """A copy of the project in which the default configuration is that of the finished run."""
    folder = tmp_path_factory.mktemp("documented") / "malaphoric"
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    finish(folder, compiled)
    shutil.copy(compiled.folder / "config.yaml", folder / "config/config.yaml")
    git = ["git", "-C", folder, "-c", "user.name=test", "-c", "user.email=test"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    return folder


def finish(folder: Path, compiled) -> None:
    """Give a copy of the project the results of the finished run, and its environment."""
    shutil.copytree(compiled.folder / "results", folder / "results")
    shutil.copytree(compiled.folder / ".snakemake/metadata", folder / ".snakemake/metadata")
    (folder / ".venv").symlink_to(Path(sys.prefix))


def shell(command: str, folder: Path) -> str:
    """Output of a command, as typed in the project's folder with its environment."""
    environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}
    environment["PATH"] = f"{folder / '.venv/bin'}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(folder / "workflow/src")
    done = subprocess.run(
        ["bash", "-c", command.replace("OUT", "results/compiled")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


TYPED = sorted(
    {
        words
        for command, (how, others) in EXERCISED.items()
        if how == "run"
        for words in others or (command,)
    }
)

#: What the answers of some of them say; the finished run is not to be computed again.
SAID = {
    "snakemake -n": "Nothing to be done",
    "snakemake --cores 2": "Nothing to be done",
    MAKE + "run": "Nothing to be done",
    MAKE + "why": "up to date",
    "snakemake --cores 2 masses -n --quiet rules": "mass",
    "python -m malaphoric check config/config.yaml": "accepted",
    "python -m malaphoric check config/atlas.yaml": "526  no two alike but for hypercharge",
    "python -m malaphoric model b3-l2 --set epsilon_hat=-0.92 g_hat=0.078 theta_sb=-0.17": (
        "all but 13, 23, 31, 32"
    ),
    # all left out are the paper's data
    "python scripts/leave_out.py config/b3-l2-2026.yaml": "| 509 | 622.92 | -0.861 ",
    "python scripts/coverage.py OUT 20": "95% region of three parameters",
    "python tests/benchmarks/scale.py table": "| 10⁸ | exact | 10⁴ |",
}


@pytest.mark.slow
@pytest.mark.parametrize("command", TYPED)
def test_command(project, command):
    """It succeeds in a project with a finished run, and says what it should."""
    assert SAID.get(command, "") in shell(command, project)


def test_table_of_the_cluster():
    """What docs/cluster.md says of scans of any size is what its script says."""
    script = [sys.executable, str(ROOT / "tests/benchmarks/scale.py"), "table"]
    found = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    assert [line for line in found if line.startswith("|") and line not in page] == []
    assert len(found) > 15


@pytest.mark.slow
def test_export_and_make_check(project, compiled):
    """The archive, unpacked by its reader, who says `make check`; the run is borrowed."""
    shell(MAKE + "export", project)
    shell("tar xzf OUT.tar.gz", project)
    reader = project / "malaphoric-compiled"
    finish(reader, compiled)
    assert "files are identical" in shell(MAKE + "check", reader)
    (reader / "results/compiled/figures/fig4.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(AssertionError, match=r"fig4\.pdf: another drawing"):
        shell("python scripts/check.py", reader)


@pytest.mark.slow
def test_own_model(project):
    """Every step of its page, on a coarse grid, with one figure and without a check.

    Best fits are those of the page, because they do not depend on the grid.
    """
    (_, model), (_, run_file), _ = fenced(OWN)
    given = yaml.safe_load(run_file)
    for axis in given["parameters"].values():
        axis["points"] = 7
    given |= {"validation": {"points": 0}, "figures": [["epsilon_hat", "g_hat"]]}
    (project / "my").mkdir()
    (project / "my/2b3-l2-l3.yaml").write_text(model, encoding="utf-8")
    (project / "my/run.yaml").write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML
    words = [step.replace("make ", MAKE) for step in steps(OWN)]
    facts, box, accepted, ran, point = [shell(command, project) for command in words]
    assert "right-handed neutrinos: (0, -1, -1)" in facts
    assert facts.count("all but 13, 23, 31, 32") == 2
    assert "epsilon_hat = -0.842, g_hat = 0.2, theta_sb = -0.105, chi2_SM - chi2 = 38.03" in box
    assert "accepted, 343 points" in accepted
    assert "unmixed: chi2_SM - chi2 = 32.06. malaphoric: chi2_SM - chi2 = 38.03." in ran
    made = project / "results/mine"
    assert list((made / "figures/planes").glob("*.png"))
    assert (made / "index.html").is_file()
    assert "Gamma" in point


def test_keys_say_what_they_are():
    """Truth: the schemas; the pages are made from what stands there."""
    for name in ("config", "atlas", "model"):
        for key, schema in load_schema(name)["properties"].items():
            assert {"title", "description"} <= set(schema), f"{name}: {key}"


@pytest.mark.slow
def test_site(tmp_path):
    """Built without a warning, so that every link resolves; truth of the keys: the schemas."""
    html = tmp_path / "html"
    words = ["-q", "-W", "--keep-going", "-c", "docs", "-d", tmp_path / "doctrees"]
    words += ["-D", "nb_execution_mode=off", ".", html]
    command = list(map(str, [sys.executable, "-m", "sphinx", *words]))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (html / "docs/configuration.html").read_text(encoding="utf-8")
    for name in ("config", "atlas", "model"):
        for key in names_of(load_schema(name)):
            assert f'<span class="pre">{key}</span>' in page, f"{name}: {key}"
    assert "docs/index.html" in (html / "index.html").read_text(encoding="utf-8")
    assert "load_likelihood" in (html / "docs/api/index.html").read_text(encoding="utf-8")


def names_of(schema: object) -> set[str]:
    """Keys at any depth of a schema."""
    if isinstance(schema, list):
        return {name for item in schema for name in names_of(item)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return {*own, *(name for value in schema.values() for name in names_of(value))}


@pytest.mark.slow
def test_python(compiled):
    """Blocks of Python in one process, with the finished run in the place of the default one.

    Nothing is to be said against the order in which they import.
    """
    blocks = [text for page in PAGES for language, text in fenced(page) if language == "python"]
    assert len(blocks) == 3
    text = "\n".join([*blocks, "print(lh.n_obs['global'])"])
    text = text.replace("results/b3-l2", str(compiled.folder / "results/compiled"))
    python = [sys.executable, "-W", "error::UserWarning:malaphoric", "-c", text]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(python, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "numpy was imported before" not in done.stderr
    assert done.stdout.split()[-1] == "509"


def test_yaml(tmp_path):
    """Blocks of YAML: an atlas, a model, a configuration of data, the overlay that it names, and
    parameters.
    """
    pages = [page for page in PAGES if page != OWN]
    blocks = [text for page in pages for language, text in fenced(page) if language == "yaml"]
    atlas, model, data, overlay = map(yaml.safe_load, blocks)
    assert len(AtlasConfiguration(atlas).models) == 2
    own = Model.from_dict(model)
    assert own.parameters == ("epsilon_hat", "g_hat", "a", "kappa", "theta_sb", "phi")
    own.check_latex()
    assert set(anomalies(own, {"a": 0.3})["with_neutrinos"].values()) == {"0"}
    _, _, (_, other) = fenced(OWN)
    given = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | yaml.safe_load(other)
    assert set(Configuration(given).profiled) == {"epsilon_hat", "theta_sb"}
    path = tmp_path / "lhcb-2027.yml"
    path.write_text(blocks[3], encoding="utf-8")
    assert data["data"].pop("overlays") == [path.stem]
    data["data"]["overlays"] = [str(path)]
    given = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | data
    assert Configuration(given).selection.extra == ["BR(B+->Knunu)"]
    assert list(overlays.read(path)) == list(overlay)


def test_no_other_language():
    """A block of another language needs a test of its own."""
    languages = {language for page in PAGES for language, _ in fenced(page)}
    assert languages == {"python", "yaml"}
