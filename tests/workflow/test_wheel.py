"""The package alone: a wheel in an environment of its own, without the project's folder.

The environment has the packages of the one that runs the tests, but not malaphoric, which is there
by a .pth file: these do nothing in a folder that another .pth file names.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from harness import ROOT, TINY
from malaphoric import Model

pytestmark = pytest.mark.slow

POINT = ["point", "--model", "b3-l2", "--epsilon-hat", "-0.9", "--g-hat", "0.08"]
POINT += ["--theta-sb", "-0.17", "--json"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as pip builds it, from a copy of what it is made from, which is gone afterwards."""
    folder = tmp_path_factory.mktemp("wheel")
    project = folder / "project"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("config", "workflow"):
        shutil.copytree(ROOT / name, project / name, ignore=unwanted)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, project)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, project)
    shutil.rmtree(project)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel):
    """Python of an environment in which the wheel is installed."""
    folder = wheel.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    result = folder / "bin" / "python"
    pip("--python", result, "install", "--no-deps", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    others = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "others.pth").write_text("\n".join(others))
    return result


def pip(*words: str | Path) -> None:
    """Offline."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout


def ask(python, folder, *words: str | Path, **environment: str) -> subprocess.CompletedProcess:
    """Python, in some folder."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SNAKEMAKE"))}
    return subprocess.run(
        [python, *words],
        cwd=folder,
        env={**own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess) -> str:
    """What it said, which is no traceback; Snakemake says errors of a dry run to stdout."""
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    return said


def test_content(wheel):
    """Every file of the package, models and schemas, byte by byte; and nothing else."""
    package = ROOT / "workflow/src/malaphoric"
    paths = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    expected = {f"malaphoric/{path.relative_to(package)}": path for path in paths}
    for path in (*ROOT.glob("config/models/*.yaml"), *ROOT.glob("workflow/schemas/*.yaml")):
        expected[f"malaphoric/project/{path.relative_to(ROOT)}"] = path
    with zipfile.ZipFile(wheel) as file:
        found = {name: file.read(name) for name in file.namelist() if ".dist-info/" not in name}
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name].read_bytes()] == []


def test_metadata_names_what_is_imported(wheel):
    """Truth: the imports of its modules. Nothing is for Snakemake but the extra that says so."""
    own, imported = {"malaphoric"}, set()
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        listed = Parser().parsestr(file.read(name).decode()).get_all("Requires-Dist")
        for name in file.namelist():
            for node in ast.walk(ast.parse(file.read(name))) if name.endswith(".py") else ():
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module.split(".")[0])
    needed = [item for item in map(Requirement, listed) if item.marker is None]
    distributions = metadata.packages_distributions()
    imported -= own | set(sys.stdlib_module_names)
    used = {distributions[name][0].lower() for name in imported}
    # particle is flavio's, of which the version matters
    assert {item.name for item in needed} == used | {"particle"}
    workflow = {item.name for item in map(Requirement, listed) if "workflow" in str(item.marker)}
    assert "snakemake" in workflow


def test_answers_are_those_of_the_checkout(python, tmp_path):
    """From any folder, imported from the wheel; a model of the folder is not the catalogue's."""
    (tmp_path / "config/models").mkdir(parents=True)
    (tmp_path / "config/models/b3-l2.yaml").write_text("not: a model")
    code = """
import json, sys, malaphoric
from malaphoric import Model, load_likelihood
model = Model.load("b3-l2")
chi2 = load_likelihood("b3-l2").chi2([[-0.9, 0.08, -0.17]])["global"][0]
print(json.dumps([malaphoric.__file__, sys.path, model.as_dict(), chi2]))
"""
    done = ask(python, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    file, path, model, chi2 = json.loads(done.stdout)
    assert Path(file).is_relative_to(python.parents[1])
    homes = [folder for folder in path if Path(tmp_path, folder, "malaphoric").is_dir()]
    assert homes == [str(Path(file).parents[1])]

    checkout = {"PYTHONPATH": str(ROOT / "workflow/src")}
    ours = ask(sys.executable, tmp_path, "-m", "malaphoric", *POINT, **checkout)
    for folder in (tmp_path, Path("/")):
        theirs = ask(python, folder, "-m", "malaphoric", *POINT)
        assert theirs.returncode == 0, theirs.stderr
        assert theirs.stdout == ours.stdout
    categories = json.loads(ours.stdout)["categories"]
    assert chi2 == pytest.approx(categories["global"]["chi2"])
    assert model == Model.load("b3-l2").as_dict()


def test_version(python, tmp_path):
    """That of the package, which the wheel's name has, too."""
    project = (ROOT / "workflow/src/malaphoric/__init__.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'__version__ = "(.*)"', project)
    done = ask(python, tmp_path, "-m", "malaphoric", "--version")
    assert done.stdout == f"malaphoric {version}\n"


def test_tables_of_other_versions_are_refused(python, tmp_path):
    """As in a checkout."""
    fake = tmp_path / "flavio-99.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: flavio\nVersion: 99.0\n")
    done = ask(python, tmp_path, "-m", "malaphoric", *POINT, PYTHONPATH=str(tmp_path))
    assert "installed is flavio 99.0" in refused(done)


def test_what_needs_the_project(python, tmp_path):
    """One sentence: configurations are checked, but overlays need paths, and nothing runs."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(TINY))
    check = ["-m", "malaphoric", "check", path]
    assert "accepted, 4 points" in ask(python, tmp_path, *check).stdout
    snakemake = ["-m", "snakemake", "--dry-run", "--snakefile", ROOT / "Snakefile"]
    said = refused(ask(python, tmp_path, *snakemake, "--configfile", path))
    assert "malaphoric is installed without its workflow" in said
    assert "`pip install --editable .`" in said
    path.write_text(yaml.safe_dump({**TINY, "data": {"overlays": ["lhcb"]}}))
    said = refused(ask(python, tmp_path, *check))
    assert "accepted: a name in config/data (none is there) or the path" in said
    said = refused(ask(python, tmp_path, "-m", "malaphoric", *POINT, "--model", "nope"))
    assert re.search("accepted: a path to a YAML file or one of .*b3-l2", said)
