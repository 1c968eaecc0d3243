"""Digests of the package's own source and versions of what it uses: a change of them is noticed.

What a job depends on beside them is in `recipes`.
"""

from __future__ import annotations

import hashlib
import marshal
import sys
from functools import cache
from importlib import metadata
from opcode import opmap
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from malaphoric.schema import ConfigurationError

_PACKAGE = Path(__file__).parent

#: Packages whose version can change a number or a picture.
PACKAGES = (
    "smelli", "flavio", "wilson", "ckmutil", "rundec", "numpy", "scipy", "h5py", "iminuit",
    "matplotlib", "plotly",
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
    """Version of an installed package.

    Raises
    ------
    ConfigurationError
        If it is not installed, as after an update that needs one more.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise ConfigurationError(
            f"the package {package} is not installed in {sys.prefix}, and malaphoric needs it; "
            "accepted: an environment made by `make setup`, to be run again after every update"
        ) from None


def code(*roots: str | Path, without: tuple[str, ...] = ()) -> dict:
    """Digest of modules or scripts with all that they import, directly or not, and the versions.

    Comments, docstrings and (but for rare traces of it in Python's bytecode) layout do not count.

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
    return root if isinstance(root, Path) else _PACKAGE / f"{root.replace('.', '/')}.py"


@cache
def _module(path: Path) -> _Module:
    # optimize=2 leaves docstrings out; compiling takes a third of the time that a walk over the
    # syntax tree takes, at every start of Snakemake
    text = path.read_text(encoding="utf-8")
    code = compile(text, path.name, "exec", optimize=2, dont_inherit=True)
    modules, packages = set(), set()
    for name, taken in _imports(code):
        package, *rest = name.split(".")
        if package != "malaphoric":
            packages.add(package)
        else:
            modules |= {_home(".".join([*rest, name])) for name in taken}
            if rest and not taken:
                modules.add(".".join(rest))
    digest = hashlib.sha256(_bytes(code)).hexdigest()
    return _Module(digest, frozenset(modules), frozenset(packages))


def _imports(code: CodeType) -> list[tuple[str, list[str]]]:
    """Every module that code imports, and the names it takes of it, in functions too."""
    found: list[tuple[str, list[str]]] = []
    extended = 0
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument |= extended
        extended = argument << 8 if operation == opmap["EXTENDED_ARG"] else 0
        if operation == opmap["IMPORT_NAME"]:
            found.append((code.co_names[argument], []))
        elif operation == opmap["IMPORT_FROM"]:
            found[-1][1].append(code.co_names[argument])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _imports(constant)
    return found


def _bytes(code: CodeType) -> bytes:
    """What code does: without numbers of lines, and the NOPs that Python keeps for some of them."""
    pairs = zip(code.co_code[::2], code.co_code[1::2], strict=True)
    own = b"".join(bytes(pair) for pair in pairs if pair[0] != opmap["NOP"])
    constants = [_bytes(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return marshal.dumps((own, constants, names, counts, code.co_exceptiontable), 2)


def _home(name: str) -> str:
    """The module, as in "physics.model", that has a name imported from it or from its package."""
    if _path(name).exists():
        return name
    package = name.rpartition(".")[0]
    return package if _path(package).exists() else f"{package}.__init__".lstrip(".")
