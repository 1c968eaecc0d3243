"""Digests of the package's own source and versions of what it uses: a change of them is noticed.

What a job depends on beside them is in `recipes`.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).parent

#: Packages whose version can change a number or a picture.
PACKAGES = (
    "smelli", "flavio", "wilson", "ckmutil", "rundec", "numpy", "scipy", "h5py", "iminuit",
    "matplotlib",
)  # fmt: skip

#: What smelli, flavio and wilson themselves compute with.
_BEHIND = {name: {"ckmutil", "rundec", "numpy", "scipy"} for name in ("smelli", "flavio", "wilson")}


class _Module(NamedTuple):
    """A file of Python: digest of its code, modules of this package and packages it imports."""

    digest: str
    modules: frozenset[str]
    packages: frozenset[str]


@cache
def version(package: str) -> str:
    """Version of an installed package."""
    return metadata.version(package)


def code(*roots: str | Path, without: tuple[str, ...] = ()) -> dict:
    """Digest of modules or scripts with all that they import, directly or not, and the versions.

    Comments, docstrings and layout do not count.

    Parameters
    ----------
    *roots : str or Path
        Names of modules of this package, or paths of scripts.
    without : tuple of str
        Modules that are left out, with what only they import.

    Returns
    -------
    dict
        ``code`` and ``versions``.

    Raises
    ------
    FileNotFoundError
        If there is no such module or script.
    """
    found: dict[str, _Module] = {}
    # the package pins its arithmetic whatever is imported of it
    waiting = [(str(root), _path(root)) for root in (*roots, "arithmetic")]
    while waiting:
        name, path = waiting.pop()
        if name in found or name in without:
            continue
        found[name] = _module(path)
        waiting += [(module, _path(module)) for module in found[name].modules]
    packages = set().union(*(module.packages for module in found.values()))
    packages |= set().union(*(_BEHIND.get(name, set()) for name in packages))
    sha = hashlib.sha256()
    for name in sorted(found):
        sha.update(f"{Path(name).name} {found[name].digest}\n".encode())
    versions = {name: version(name) for name in PACKAGES if name in packages}
    return {"code": sha.hexdigest()[:32], "versions": versions}


def _path(root: str | Path) -> Path:
    return root if isinstance(root, Path) else _PACKAGE / f"{root}.py"


@cache
def _module(path: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules, packages = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package, *rest = (node.module or "").split(".")
            if package != "malaphoric":
                packages.add(package)
            elif rest:
                modules.add(rest[0])
            else:
                modules |= {_home(alias.name) for alias in node.names}
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            _strip(node)
    _strip(tree)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return _Module(digest, frozenset(modules), frozenset(packages))


def _strip(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _home(name: str) -> str:
    """The module of a name that is imported from the package itself."""
    return name if _path(name).exists() else "__init__"
