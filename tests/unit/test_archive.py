"""`make check`: whatever is done to an archive or to a repeated run is found and named."""

import json
import shutil

import h5py
import matplotlib
import numpy as np
import pytest
import yaml

matplotlib.use("agg")
from matplotlib import pyplot

from malaphoric import store
from malaphoric.schema import ConfigurationError
from malaphoric.workflow import archive

OUT = "results/small"
CONFIGURATION = {
    "run": "small",
    "model": "b3-l2",
    "parameters": dict.fromkeys(("epsilon_hat", "g_hat", "theta_sb"), 0),
}


def draw(folder, name, x):
    figure, axes = pyplot.subplots(figsize=(2, 2))
    axes.plot([0, 1], [0, x])
    for kind in ("png", "pdf"):
        path = folder / f"{name}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"CreationDate": None} if kind == "pdf" else None)
    pyplot.close(figure)


def write_scan(path, chi2=(1.0, 2.0, np.nan), names=("quarks", "LFU", "global"), **attributes):
    attributes = {"theory": {"M_X": 3000.0, "model": {"name": "b3-l2"}}, **attributes}
    with store.create(path, content="scan", **attributes) as file:
        file.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
        file["category"].make_scale("category")
        store.write_array(file, "chi2", np.array(chi2), units="1")
        file["chi2"].dims[0].attach_scale(file["category"])


ROWS = [{"fit": "SM", "chi2": 624.0}, {"fit": "unmixed", "chi2": 592.5}]


def write_record(folder, **changes):
    files = sorted(p for p in (folder / OUT).rglob("*") if p.is_file() and p.stem != "record")
    record = {
        "configuration": CONFIGURATION,
        "system": {"machine": "x86_64"},
        "git": {"commit": "0" * 40},
        "versions": {"smelli": "2.4.3"},
        "files": {str(path.relative_to(folder)): store.file_digest(path) for path in files},
        **changes,
    }
    store.write_json(folder / OUT / "record.json", record)


@pytest.fixture
def runs(tmp_path):
    """An archive, and the same run in the folder that holds it."""
    theirs = tmp_path / "archive"
    write_scan(theirs / OUT / "scan.h5")
    store.write_json(theirs / OUT / "best_fit.json", {"malaphoric": {"chi2": 1.5, "valid": True}})
    for name in ("tables/table1", "validation/points"):
        store.write_csv(theirs / OUT / f"{name}.csv", ROWS)
    store.write_text(theirs / OUT / "comparison.md", "# Title\n\n| a | 1.0 |\n")
    draw(theirs / OUT / "figures", "fig2", 1)
    draw(theirs / OUT / "figures", "fig4", 2)
    write_record(theirs)
    shutil.copytree(theirs / "results", tmp_path / "results")
    (theirs / "config.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    return theirs, tmp_path


def said(runs):
    lines, good = archive.check(*runs)
    return "\n".join(lines), good


def test_same_run(runs):
    """Truth: copies, on another machine, from another commit."""
    write_record(runs[1], system={"machine": "arm64"}, git=None)
    assert said(runs) == ("10 of 10 files are identical", True)


def swap(runs):
    folder = runs[1] / OUT / "figures"
    shutil.copy(folder / "fig4.png", folder / "fig2.png")


def edit(name, old, new, which=1):
    def change(runs):
        path = runs[which] / OUT / name
        content = path.read_bytes()
        assert old.encode() in content
        path.write_bytes(content.replace(old.encode(), new.encode()))

    return change


def scan(**changes):
    return lambda runs: write_scan(runs[1] / OUT / "scan.h5", **changes)


def rewrite(which, name, content):
    return lambda runs: (runs[which] / OUT / name).write_bytes(content)


def remove(which, name):
    return lambda runs: (runs[which] / OUT / name).unlink()


#: What is done, and what must be said of it.
CHANGES = {
    "swapped picture": (swap, ["figures/fig2.png: another picture", "% of the pixels"]),
    "garbage picture": (rewrite(1, "figures/fig2.png", b"x"), ["fig2.png: cannot be compared"]),
    "garbage drawing": (rewrite(1, "figures/fig2.pdf", b"x"), ["fig2.pdf: cannot be compared"]),
    "empty drawing": (rewrite(1, "figures/fig2.pdf", b"%PDF-1.4"), ["fig2.pdf: another drawing"]),
    "renamed row": (
        edit("tables/table1.csv", "unmixed", "mixed"),
        ["table1.csv: row 2 (unmixed): missing here", "row 2 (mixed): not in the archive"],
    ),
    "renamed column": (
        edit("tables/table1.csv", "chi2", "chi3"),
        ["columns.1: 'chi3'"],
    ),
    "validation": (
        edit("validation/points.csv", "592.5", "592.6"),
        ["points.csv: row 2 (unmixed).chi2: 592.6 here, 592.5 in the archive (relative 1.7e-04)"],
    ),
    "renamed category": (
        scan(names=("quarks", "LEP2", "global")),
        ["scan.h5: category: 1 of 3 entries differ, first at [1]: 'LEP2' here, 'LFU' in the"],
    ),
    "other number": (
        scan(chi2=(1.0, 2.5, np.nan)),
        ["scan.h5: chi2: 1 of 3 entries differ, by up to 2.0e-01 relative, first at [1]: 2.5 here"],
    ),
    "number for nothing": (scan(chi2=(1.0, 2.0, 3.0)), ["scan.h5: chi2: 1 of 3"]),
    "other sign": (scan(chi2=(1.0, -2.0, np.nan)), ["scan.h5: chi2: 1 of 3"]),
    "other shape": (
        scan(chi2=(1.0, 2.0), names=("a", "b")),
        ["chi2: float64 2 here, float64 3"],
    ),
    "other model": (
        scan(theory={"M_X": 3000.0, "model": {"name": "b4"}}),
        ["scan.h5: @theory.model.name: 'b4' here, 'b3-l2' in the archive"],
    ),
    "new attribute": (scan(remark="good"), ["scan.h5: @remark: not in the archive"]),
    "damaged": (rewrite(1, "scan.h5", b"x"), ["scan.h5: cannot be compared", "not a file of mal"]),
    "renamed key": (
        edit("best_fit.json", '"chi2"', '"chi3"'),
        ["malaphoric.chi2: missing here", "malaphoric.chi3: not in the archive"],
    ),
    "other type": (edit("best_fit.json", "true", "1"), ["malaphoric.valid: 1 here, True in the"]),
    "other text": (edit("comparison.md", "Title", "Tilte"), ["comparison.md: line 1: '# Tilte'"]),
    "missing here": (
        remove(1, "figures/fig2.pdf"),
        ["missing here", "9 of 10 files are identical, 1 not the same"],
    ),
    "missing there": (
        remove(0, "figures/fig2.pdf"),
        ["fig2.pdf: in the record, and missing in the archive"],
    ),
    "foreign": (
        rewrite(0, "figures/fig9.pdf", b"x"),
        ["fig9.pdf: not in the record, and in the archive"],
    ),
    "changed archive": (
        edit("best_fit.json", "1.5", "1.6", which=0),
        ["best_fit.json: changed in the archive after it was recorded"],
    ),
    "other versions": (
        lambda runs: write_record(runs[0], versions={"smelli": "2.4.2"}),
        ["record.json: versions.smelli: '2.4.3' here, '2.4.2' in the archive"],
    ),
    "other configuration": (
        lambda runs: write_record(runs[0], configuration={**CONFIGURATION, "lep2_set": "full"}),
        ["record.json: configuration.lep2_set: missing here"],
    ),
    "no record here": (remove(1, "record.json"), ["record.json: missing here"]),
    "more here": (
        lambda runs: (draw(runs[1] / OUT / "figures", "new", 1), write_record(runs[1])),
        ["figures/new.png: made here, and not in the record of the archive"],
    ),
    "outside": (
        lambda runs: write_record(runs[0], files={f"{OUT}/../../config.yaml": "0", "/etc/os": "0"}),
        ["/etc/os: in the record, and no file of the run", "../../config.yaml: in the record, and"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_named(runs, name):
    """Truth: what was done; everything else is identical still."""
    change, expected = CHANGES[name]
    change(runs)
    text, good = said(runs)
    assert not good
    for words in expected:
        assert words in text
    assert " not the same" in text or "not in the record" in text


@pytest.mark.parametrize("size", [1e-12, 1e-10, 1e-8])
def test_last_digits(runs, size):
    """Truth: up to 1e-9 is other arithmetic, and said; more is another result."""
    write_scan(runs[1] / OUT / "scan.h5", chi2=(1.0, 2.0 * (1 + size), np.nan))
    store.write_json(
        runs[1] / OUT / "best_fit.json", {"malaphoric": {"chi2": 1.5 * (1 + size), "valid": True}}
    )
    text, good = said(runs)
    assert good == (size < 1e-9)
    if good:
        assert text.count("differs in the last digits: ") == 2
        assert "8 of 10 files are identical, 2 the same but for bytes or last digits" in text
    else:
        assert "8 of 10 files are identical, 2 not the same" in text


def test_other_packing(runs):
    """Truth: the same content, compressed in another way, is the same result."""
    path = runs[1] / OUT / "figures/fig2.pdf"
    before = path.read_bytes()
    with matplotlib.rc_context({"pdf.compression": 1}):
        draw(path.parent, "fig2", 1)
    assert path.read_bytes() != before
    from PIL import Image

    png = runs[1] / OUT / "figures/fig2.png"
    Image.open(png).save(png, compress_level=1)
    store.write_text(
        runs[1] / OUT / "best_fit.json", '{"malaphoric": {"valid": true, "chi2": 1.50}}'
    )
    text, good = said(runs)
    assert good
    assert text.count("the same content in other bytes") == 3


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"files": {}}', '{"files": {"a": 1}}'])
def test_record_that_is_none(runs, content):
    """Truth: without the list of files nothing can be checked."""
    (runs[0] / OUT / "record.json").write_text(content)
    with pytest.raises(store.StoreError, match=r"record\.json: not the record of a run"):
        archive.check(*runs)


def test_folder_that_is_no_archive(tmp_path):
    """Truth: an empty folder."""
    with pytest.raises(ConfigurationError, match=r"config\.yaml: cannot be read"):
        archive.check(tmp_path, tmp_path)


def test_record_is_json(runs):
    """Truth: strict JSON, as others read it."""
    assert json.loads((runs[0] / OUT / "record.json").read_text())["files"]
