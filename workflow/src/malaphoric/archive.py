"""A run's record, its export as one archive, and the check of a repeated run against it.

Data files hold no time, host or state of the repository: these are in the record, a file beside
them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import platform
import subprocess
import tarfile
from pathlib import Path

import h5py
import numpy as np
import yaml

from malaphoric import store
from malaphoric.likelihood import Likelihood
from malaphoric.schema import ROOT

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


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
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
        ``configuration`` of the run, and the paths ``model`` and ``overlays``.
    files : list of str
        Result files; they are included as they are.
    path : path
        A ``.tar.gz``: the project as it is (files known to git), with the run's model, overlays and
        configuration, and its results in the folder ``archive``.

    Raises
    ------
    RuntimeError
        If the project is not in a git repository, so that its files are not known.
    """
    try:
        names = _git("ls-files").splitlines()
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"{ROOT}: not a git repository: which files belong to it?") from error
    content = {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}
    configuration = settings["configuration"]
    content[f"config/models/{configuration['model']}.yaml"] = Path(settings["model"]).read_bytes()
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


def compare(theirs: Path, ours: Path) -> tuple[str, bool]:
    """How a file differs from that of the archive, and whether its content agrees.

    Returns
    -------
    str
        "identical", or what differs.
    bool
        Whether the numbers agree to 1e-9 (another processor rounds differently).
    """
    if not ours.is_file():
        return "missing", False
    if theirs.read_bytes() == ours.read_bytes():
        return "identical", True
    if ours.suffix in (".pdf", ".png"):
        return "drawn differently", True
    try:
        one, two = _numbers(theirs), _numbers(ours)
    except (ValueError, store.StoreError) as error:
        return f"cannot be compared: {error}", False
    if one.shape != two.shape or not np.array_equal(np.isfinite(one), np.isfinite(two)):
        return "other entries", False
    finite = np.isfinite(one)
    scale = np.maximum(np.abs(one[finite]), 1e-6)
    worst = float(np.max(np.abs(one[finite] - two[finite]) / scale, initial=0.0))
    return f"largest relative difference {worst:.1e}", worst < 1e-9


def _numbers(path: Path) -> np.ndarray:
    """All numbers of a result file."""
    if path.suffix == ".h5":
        found: list[np.ndarray] = []
        with store.read(path) as file:
            file.visititems(
                lambda _, item: (
                    found.append(item[()].ravel())
                    if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu"
                    else None
                )
            )
        return np.concatenate(found).astype(float)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return np.array(list(_leaves(json.loads(text))), dtype=float)
    if path.suffix == ".csv":
        cells = (cell for row in csv.reader(io.StringIO(text)) for cell in row)
        return np.array([float(cell) for cell in cells if _is_number(cell)])
    raise ValueError("texts differ")


def _leaves(data: object) -> list:
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        return [leaf for item in data for leaf in _leaves(item)]
    return [data] if isinstance(data, (int, float)) else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
