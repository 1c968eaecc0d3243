"""Whatever changes in a configuration, results are those of a fresh folder, byte by byte.

And whatever a configuration asks for ends in results or in one sentence.
"""

import random
import re

import pytest
import yaml

from harness import (
    COMPILED,
    FIVE_CHUNKS,
    GRID,
    MASS,
    ROOT,
    THREE_CHUNKS,
    TINY,
    UNCHECKED,
    Workflow,
)
from malaphoric.data.lep2 import MEASUREMENTS
from malaphoric.physics.model import Model
from malaphoric.schema import ConfigurationError
from malaphoric.workflow.configuration import Configuration, load_configuration
from malaphoric.workflow.recipes import Recipes

pytestmark = pytest.mark.slow

OVERLAY = """
LHCb R_K (invented):
  values:
    - {name: <Rmue>(B+->Kll), q2min: 1.1, q2max: 6.0, value: 0.9 ± 0.01}
"""

#: Of an observable that smelli does not have; the package has its table.
ADDITIONAL = """
CMS P5p (invented):
  values:
    - {name: <P5p>(B0->K*mumu), q2min: 1.1, q2max: 2.0, value: 0.4 ± 0.1}
"""

#: Another value of every key, and the slow file that is made of it. Texts name files below.
CHANGES = {
    "model: charges": ("charges/b3-l2.yaml", ("running",)),
    "model: title": ("title/b3-l2.yaml", ()),
    "model: parameters": ("parameters/b3-l2.yaml", ()),
    "parameters: M_X": ({**GRID, "M_X": 2900}, ("running",)),
    "smeft_accuracy": ("integrate", ("running",)),
    "categories": (["quarks", "LFU"], ()),
    "lep2_set": ("full", ()),
    "data": (
        {
            "overlays": ["new.yml"],
            "LFU": {"measurements": {"exclude": ["LHCb RK RK* 2022"]}},
            "quarks": {"observables": {"exclude": ["DeltaM_s"]}},
        },
        (),
    ),
    "data: additional": (
        {
            "overlays": ["additional.yml"],
            "quarks": {"observables": {"include": [["<P5p>(B0->K*mumu)", 1.1, 2]]}},
        },
        (),
    ),
    "covariance": ({"draws": 2000, "seed": 2}, ()),
    "parameters: axes": (
        {
            "epsilon_hat": {"min": -1.1, "max": -0.3, "points": 5},
            "g_hat": {"min": 0.02, "max": 0.2, "points": 7},
            "theta_sb": -0.17,
        },
        (),
    ),
    "parameters: profile": (
        {
            "epsilon_hat": {**GRID["epsilon_hat"], "points": 6},
            "g_hat": {**GRID["g_hat"], "points": 6},
            "theta_sb": {"min": -0.6, "max": 0.05, "profile": True},
        },
        (),
    ),
    "chunk_minutes": (FIVE_CHUNKS, ()),
    "confidence_levels": ([0.5, 0.9], ()),
    "fits": (
        {"angle": {"theta_sb": -0.12}, "point": {"theta_sb": -0.12, "g_hat": 0.1}, "all": {}},
        (),
    ),
    "figures": ([["theta_sb", "g_hat"], "theta_sb"], ()),
    "observables_of_interest": (["BR(Bs->mumu)"], ()),
}


def write_files(folder):
    """What the changes name."""
    (folder / "new.yml").write_text(OVERLAY)
    (folder / "additional.yml").write_text(ADDITIONAL)
    text = (ROOT / "config/models/b3-l2.yaml").read_text()
    said = "parameters: {theta_sb: {label: a, range: [-1, 1], size: 0.1}}\nmixing:"
    for name, old, new in (
        ("charges", "X_H: 0", "X_H: 1"),
        ("title", "B_3 - L_2", "B_{3} - L_2"),
        ("parameters", "mixing:", said),
    ):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "b3-l2.yaml").write_text(text.replace(old, new))
        assert old in text


def changed(folder, key):
    """The base configuration with another value of a key."""
    value = CHANGES[key][0]
    if key.startswith("model: "):
        value = str(folder / value)
    elif key.startswith("data"):
        value = {**value, "overlays": [str(folder / name) for name in value["overlays"]]}
    return {**UNCHECKED, key.split(":")[0]: value}


def test_every_key_of_the_schema_is_changed():
    """Truth: the schema.

    `engine` and `validation` have tests of their own; another `run` is another folder, see
    test_rerun.py and test_stale.py.
    """
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    own = {"engine", "validation", "run"}
    tried = {key.split(":")[0] for key in CHANGES} | own
    assert tried == set(schema["properties"])


def assert_fresh(ours, fresh, run):
    """The same files with the same bytes, and nothing left to do."""
    found, expected = ours.files(run), fresh.files(run)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert ours.plan() == {}


@pytest.mark.parametrize("key", CHANGES)
def test_changed_key(unchecked, tmp_path, key):
    """Truth: a folder in which nothing was ever made.

    The slow file is made there for the keys that name what it is made of; that it depends on
    nothing else is the matter of `tests/unit/test_recipes.py`.
    """
    files = tmp_path / "files"
    ours, fresh = Workflow(tmp_path / "ours"), Workflow(tmp_path / "fresh")
    for folder in (files, ours.folder, fresh.folder):
        folder.mkdir()
    write_files(files)
    configuration = changed(files, key)
    run = configuration["run"]
    ours.copy_of(unchecked).configure(**configuration)
    ours.run("--cores", "1")
    fresh.configure(**configuration)
    if run == UNCHECKED["run"]:
        slow = {"running"} - set(CHANGES[key][1])
        fresh.borrow(unchecked, *(f"results/{run}/{name}.h5" for name in slow))
    fresh.run("--cores", "1")
    assert_fresh(ours, fresh, run)
    if key in ("categories", "covariance", "lep2_set"):
        for workflow in (ours, fresh):
            workflow.run("--cores", "1", MASS)
        for file in (MASS, MASS.replace("json", "h5")):
            assert (ours.folder / file).read_bytes() == (fresh.folder / file).read_bytes()


def test_changed_validation(compiled, unchecked, tmp_path):
    """Checked after all, then not: the exact points are those that another folder has kept."""
    (tmp_path / "ours").mkdir()
    ours = Workflow(tmp_path / "ours").copy_of(unchecked)
    theirs = {key: value for key, value in UNCHECKED.items() if key != "figures"}
    theirs |= {"parameters": COMPILED["parameters"], "validation": {"points": 8}}
    theirs["chunk_minutes"] = THREE_CHUNKS
    ours.configure(**theirs)
    text = ours.run("--cores", "1").stdout
    assert set(re.findall(r"\((\d+) found in earlier files\)", text)) - {"0"}
    assert_fresh(ours, compiled, UNCHECKED["run"])
    ours.configure(**UNCHECKED)
    ours.run("--cores", "1")
    assert_fresh(ours, unchecked, UNCHECKED["run"])


def test_changed_engine(finished, unchecked, tmp_path):
    """From exact to compiled in the same folder; the exact chunks stay."""
    configuration = {**TINY, "engine": "compiled", "validation": {"points": 0}}
    ours, fresh = Workflow(tmp_path / "ours"), Workflow(tmp_path / "fresh")
    for workflow in (ours, fresh):
        workflow.folder.mkdir()
    ours.copy_of(finished).configure(**configuration)
    chunks = set((ours.folder / "results/tiny/chunks").glob("*.h5"))
    ours.run("--cores", "1")
    assert chunks < set((ours.folder / "results/tiny/chunks").glob("*.h5"))
    fresh.configure(**configuration)
    fresh.run("--cores", "1")
    assert_fresh(ours, fresh, "tiny")


def test_changed_data_of_an_exact_run(finished, tmp_path):
    """All keys that change no exact prediction at once: these are kept, all else is fresh."""
    files = tmp_path / "files"
    ours, fresh = Workflow(tmp_path / "ours"), Workflow(tmp_path / "fresh")
    for folder in (files, ours.folder, fresh.folder):
        folder.mkdir()
    write_files(files)
    configuration = {**TINY}
    for key in ("model: title", "categories", "lep2_set", "data", "confidence_levels"):
        name = key.split(":")[0]
        configuration[name] = changed(files, key)[name]
    ours.copy_of(finished).configure(**configuration)
    assert "chunk" not in ours.plan()
    ours.run("--cores", "1")
    fresh.configure(**configuration)
    # chunks, too, which Snakemake deletes here, because what they need is not there yet
    fresh.borrow(finished, "results/tiny/chunks", "results/.exact")
    assert fresh.run("--cores", "1").stdout.count("2 points with the exact engine (2 found") == 2
    assert_fresh(ours, fresh, "tiny")


# ------------------------------------------------------------------------- drawn at random


def axis(rng, low, high):
    """One point, or a few, anywhere; now and then a box that is refused."""
    if rng.random() < 0.25:
        value = round(rng.uniform(low, high), 2)
        return value
    a, b = sorted(round(rng.uniform(low, high), 2) for _ in range(2))
    return {"min": a, "max": b, "points": rng.randint(2, 5)}


MODELS = ["b3-l2", "3b3-le-2lmu", "charges/b3-l2.yaml"]
MASSES = [600, 900, 3000, 12_000, 80_000]


def draw(seed, folder, rng=None):
    """A configuration out of the whole schema, tiny, and cheap in slow files."""
    rng = rng or random.Random(seed)
    model, mass = rng.choice(MODELS), rng.choice(MASSES)
    model = str(folder / model) if "/" in model else model
    limit = 2.1 * 3000 / mass
    result = {
        "run": "random",
        "model": model,
        "engine": "compiled",
        "validation": {"points": 0},
        "parameters": {
            "M_X": mass,
            "epsilon_hat": axis(rng, -min(limit, 3), min(limit, 3)),
            "g_hat": axis(rng, -0.02, 0.5),
            "theta_sb": axis(rng, -1.6, 1.6),
        },
    }
    names = ["quarks", "EWPOs", "LEP2", "LFU"]
    optional = {
        "categories": rng.sample(names, rng.randint(1, 4)),
        "lep2_set": "full",
        "data": rng.choice(
            [
                {"overlays": [str(folder / "new.yml")]},
                {"quarks": {"observables": {"exclude": ["DeltaM_s"]}}},
                {"EWPOs": {"observables": {"exclude": ["m_W"]}}},
                {"LEP2": {"measurements": {"exclude": ["LEP2 Bhabha, arXiv:1302.3415"]}}},
                {"LFU": {"measurements": {"exclude": ["LHCb RK RK* 2022"]}}},
                {"LEP2": {"measurements": {"exclude": list(MEASUREMENTS)}}},
            ]
        ),
        "chunk_minutes": rng.choice([0.0001, 1, 60]),
        "figures": rng.choice([[["g_hat", "epsilon_hat"]], ["theta_sb", ["g_hat", "theta_sb"]]]),
        "fits": rng.choice(
            [
                {"all": {}},
                {"angle": {"theta_sb": 0.1}, "all": {}},
                {"none": {"g_hat": 0}, "all": {}},
            ]
        ),
        "confidence_levels": rng.choice([[0.1, 0.2], [0.9, 0.999], [0.5, 0.5 + 1e-12]]),
        "observables_of_interest": rng.sample(["m_W", "DeltaM_s", "BR(Bs->mumu)"], 2),
        "smeft_accuracy": "leadinglog",
        "covariance": {"draws": 100_000, "seed": 1},
    }
    return result | {key: value for key, value in optional.items() if rng.random() < 0.4}


@pytest.fixture(scope="module")
def somewhere(compiled, tmp_path_factory):
    """A folder in which one configuration after the other is run under the same name."""
    result = Workflow(tmp_path_factory.mktemp("random")).copy_of(compiled)
    (result.folder / "results/compiled").rename(result.folder / "results/random")
    memory = result.folder / ".snakemake/malaphoric"
    (memory / "compiled").rename(memory / "random")
    write_files(result.folder)
    return result


def test_every_key_is_drawn(tmp_path):
    """Truth: the schema."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    drawn = {key for seed in range(24) for key in draw(seed, tmp_path)}
    assert drawn == set(schema["properties"])


def test_drawn_configurations_are_planned(tmp_path):
    """With both engines, any accuracy and any check: recipes of every job, or one sentence."""
    write_files(tmp_path)
    planned = 0
    for seed in range(200):
        rng = random.Random(seed)
        data = draw(seed % 24, tmp_path, rng) | {"engine": rng.choice(["exact", "compiled"])}
        data |= {"smeft_accuracy": rng.choice(["leadinglog", "integrate"])}
        data |= {"validation": {"points": rng.choice([0, 8, 50])}}
        try:
            recipes, said = Recipes(Configuration(data, "drawn")), ""
        except ConfigurationError as error:
            recipes, said = {}, str(error)
        assert {"scan", "best_fit", "record"} <= set(recipes) or "accepted" in said
        planned += bool(recipes)
    assert planned > 50


@pytest.mark.parametrize("seed", range(10))
def test_drawn_configuration(somewhere, seed):
    """Results, or one sentence before any job; never a traceback."""
    config = somewhere.folder / "config.yaml"
    data = draw(seed, somewhere.folder)
    config.write_text(yaml.safe_dump(data))
    result = somewhere.run("--cores", "2", check=False)
    assert "Traceback" not in result.stdout
    if result.returncode:
        assert "accepted" in result.stdout
        assert not re.search(r"^(local)?rule", result.stdout, re.M)
        return
    found = somewhere.files("random")
    assert {"scan.h5", "profile.h5", "best_fit.json", "tables/table4.csv"} <= set(found)
    assert b"NaN" not in found["best_fit.json"]
    assert somewhere.plan() == {}
    assert load_configuration(config).model == Model.load(data["model"])
