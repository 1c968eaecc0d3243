"""A run's record, its export as one archive, and the check of a repeated run against it.

Data files hold no time, host or state of the repository: these are in the record, a file beside
them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import platform
import subprocess
import tarfile
from pathlib import Path

import h5py
import yaml

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.schema import ROOT, checkout, load_yaml, validate
from malaphoric.workflow import difference
from malaphoric.workflow.configuration import schema_of
from malaphoric.workflow.recipes import ATLAS_FIGURES, DRAWN_AS, FIGURES, VALIDATION

#: What only some configurations make, in the folder of a run, and what is made on demand.
_SOMETIMES = [f"figures/{name}.{kind}" for name in FIGURES for kind in DRAWN_AS]
_SOMETIMES += [f"validation/{name}" for name in VALIDATION]
_SOMETIMES += ["scan.h5", "profile.h5", "best_fit.json", "c9.h5", "comparison.md", "analytic.md"]
_SOMETIMES += [f"tables/{name}" for name in ("table1.csv", "table1.md", "table4.csv", "table4.md")]
_SOMETIMES += ["tables/pulls.csv"]
_SOMETIMES += [f"figures/{name}.{kind}" for name in ATLAS_FIGURES for kind in DRAWN_AS]
_SOMETIMES += ["validation/models.csv", "toys.json", "ranking.h5", "ranking.csv"]
_LISTED = ("planes", "profiles")
_MASSES = [f"figures/masses.{kind}" for kind in DRAWN_AS]
_MASSES += ["tables/masses.csv", "tables/masses.md"]

#: What rules leave beside the results, by their recipes.
_BESIDE = {
    "measurements.h5": "measurements",
    "running.h5": "running",
    "best_grid.json": "profile",
    "best_fit.h5": "best_fit",
}

#: Folder of an archive with the configuration and the results of the exported run.
FOLDER = "archive"


def record(settings: dict, likelihood: str | Path, files: list[str]) -> dict:
    """What a run's results were made from, and their digests.

    Parameters
    ----------
    settings : dict
        ``configuration``, ``categories``, ``theory``, ``check`` and ``recipes`` of the run.
    likelihood : path
        Its ``likelihood.h5``.
    files : list of str
        Result files.

    Returns
    -------
    dict
        ``configuration``, ``theory`` (model, engine, accuracy, code, versions), ``check`` (how
        far its numbers are exact), ``data`` (digest,
        settings and the measurements of each category), ``versions``, ``system``, ``git`` (commit
        and whether the work tree differs from it; None outside a repository), ``files`` (sha256).
    """
    data = Likelihood.load(likelihood, settings["categories"])
    return {
        "configuration": settings["configuration"],
        "theory": settings["theory"],
        "check": settings["check"],
        "recipes": settings["recipes"],
        "data": {"digest": data.digest, "n_obs": data.n_obs, **data.settings},
        "versions": store.provenance(),
        "system": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "system": platform.system(),
        },
        "git": _git_state(),
        "files": {str(path): store.file_digest(path) for path in sorted(files)},
    }


def tidy(folder: Path, results: list[str], settings: dict) -> list[Path]:
    """Remove what an earlier configuration made and this one does not; returns the paths.

    Parameters
    ----------
    folder : Path
        ``results/<run>``.
    results : list of str
        What this configuration makes.
    settings : dict
        ``recipes`` by rule: what is made on demand, for other masses, stays while it is made so,
        which files are marked with. ``chunks``,
        their names: others of the compiled engine, which evaluates them again in no time, go;
        predictions of the exact engine and fits of models stay, because they may be found again.
    """
    recipes = settings["recipes"]

    def made_so(path: Path, rule: str) -> bool:
        if rule not in recipes or not path.exists():
            return False
        return store.digest(store.canonical(recipes[rule])).encode() in path.read_bytes()

    kept = [name for name, rule in _BESIDE.items() if rule in recipes]
    kept += _MASSES if made_so(folder / "figures/masses.png", "masses") else []
    ours = {*map(Path, results), *(folder / name for name in kept)}
    gone = [folder / name for name in (*_SOMETIMES, *_MASSES, *_BESIDE)]
    gone += [p for p in folder.glob("masses/[0-9]*.*") if not made_so(p, f"mass-{p.stem}")]
    gone += [path for kind in _LISTED for path in sorted((folder / "figures" / kind).glob("*.???"))]
    gone = [path for path in gone if path not in ours and path.exists()]
    chunks = [p for p in folder.glob("chunks/*.h5") if p.stem not in settings["chunks"]]
    gone += [path for path in chunks if _is_cheap(path)]
    for path in gone:
        store.check_counts(path)
        path.unlink()
    for name in ("validation", "masses", "tables"):
        with contextlib.suppress(OSError):  # not empty, or not there
            (folder / name).rmdir()
    return gone


def _is_cheap(path: Path) -> bool:
    """Whether a chunk has chi2 of the compiled engine alone."""
    try:
        with h5py.File(path) as file:
            return "chi2" in file and "predictions" not in file
    except OSError:  # damaged: not ours to judge
        return False


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(checkout()), *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout


def _git_state() -> dict | None:
    try:
        return {
            "commit": _git("rev-parse", "HEAD").strip(),
            "modified": bool(_git("status", "--porcelain", "--untracked-files=no").strip()),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def export(settings: dict, files: list[str], path: str | Path) -> None:
    """Write an archive from which a reader repeats a run and checks it: ``make check``.

    Parameters
    ----------
    settings : dict
        ``configuration`` of the run, and the paths ``model`` (None of an atlas) and ``overlays``.
    files : list of str
        Result files; they are included as they are.
    path : path
        A ``.tar.gz``: the project as it is (files known to git), with the run's model, overlays and
        configuration, and its results in the folder ``archive``.

    Raises
    ------
    malaphoric.store.StoreError
        If the file cannot be written, or the project is not in a git repository, so that its
        files are not known.
    """
    try:
        names = _git("ls-files").splitlines()
    except (OSError, subprocess.CalledProcessError) as error:
        raise store.StoreError(
            f"{ROOT}: not a git repository: which files belong to it?"
        ) from error
    content = {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}
    configuration = settings["configuration"]
    if settings["model"]:
        own = f"config/models/{configuration['model']}.yaml"
        content[own] = Path(settings["model"]).read_bytes()
    for overlay in map(Path, settings["overlays"]):
        content[f"config/data/{overlay.stem}.yml"] = overlay.read_bytes()
    text = yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True)
    content[f"{FOLDER}/config.yaml"] = text.encode()
    content |= {f"{FOLDER}/{name}": Path(name).read_bytes() for name in files}
    modes = {name: 0o755 if (ROOT / name).stat().st_mode & 0o100 else 0o644 for name in names}
    folder = f"malaphoric-{configuration['run']}"
    with (
        store.whole(path) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in sorted(content.items()):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.mode = len(data), modes.get(name, 0o644)
            archive.addfile(member, io.BytesIO(data))


def check(archive: str | Path = FOLDER, here: str | Path = ".") -> tuple[list[str], bool]:
    """Hold a repeated run against the exported one, file by file.

    Parameters
    ----------
    archive : path
        Folder with the exported configuration, record and results.
    here : path
        Folder in which the run was repeated.

    Returns
    -------
    list of str
        What is missing, foreign, changed in the archive or differs, and a summary.
    bool
        Whether nothing is: files are identical, or their numbers differ in the last digits only.

    Raises
    ------
    malaphoric.schema.ConfigurationError, malaphoric.store.StoreError
        If the folder is no archive, or its record cannot be read.

    Notes
    -----
    The record of the archive says which files there are and what they hold; it is compared itself,
    entry by entry, but for the machine and the state of the repository, and for the digests of
    files, which are compared themselves.
    """
    archive, here = Path(archive), Path(here)
    configuration = load_yaml(archive / "config.yaml")
    validate(configuration, schema_of(configuration), str(archive / "config.yaml"))
    run = configuration["run"]
    name = f"results/{run}/record.json"
    digests = _digests(archive / name)
    lines = []
    there = {str(p.relative_to(archive)) for p in archive.rglob("*") if p.is_file()}
    for path in sorted(there - {*digests, "config.yaml", name}):
        lines.append(f"{path}: not in the record, and in the archive")
    identical, close = 0, 0
    ours = _digests(here / name) if (here / name).is_file() else {}
    for path in sorted(set(ours) - set(digests)):
        lines.append(f"{path}: made here, and not in the record of the archive")
    for path in sorted({**digests, name: None}):
        foreign = not path.startswith(f"results/{run}/") or ".." in Path(path).parts
        if foreign:
            lines.append(f"{path}: in the record, and no file of the run {run}")
        elif path not in there:
            lines.append(f"{path}: in the record, and missing in the archive")
        elif path != name and store.file_digest(archive / path) != digests[path]:
            lines.append(f"{path}: changed in the archive after it was recorded")
        elif not (here / path).is_file():
            lines.append(f"{path}: missing here")
        else:
            ignore = ("system", "git", "files") if path == name else ()
            found = difference.compare(archive / path, here / path, ignore)
            same = not found.text or (path == name and found.text == difference.SAME_CONTENT)
            identical, close = identical + same, close + (found.agrees and not same)
            if not same:
                lines.append(f"{path}: {found.text}")
    total = len({*digests, name})
    bad = total - identical - close
    summary = f"{identical} of {total} files are identical"
    summary += f", {close} the same but for bytes or last digits" * bool(close)
    summary += f", {bad} not the same" * bool(bad)
    return [*lines, summary], len(lines) == close


def _digests(path: Path) -> dict[str, str]:
    """Digests of the files that a record lists."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        if not files or not all(isinstance(v, str) for v in files.values()):
            raise ValueError("no files")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise store.StoreError(f"{path}: not the record of a run: {error!r}") from error
    return files
