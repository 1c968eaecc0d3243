"""Digests of code: what it imports counts, prose does not."""

import re

import pytest

from malaphoric import source
from malaphoric.schema import ROOT, ConfigurationError

FILES = {
    "one": "from malaphoric import two\n\ndef f(x):\n    return two.g(x)\n",
    "two": "import numpy\n\ndef g(x):\n    from malaphoric.three import h\n    return h(x)\n",
    "three": "def h(x):\n    return x + 1\n",
    "arithmetic": "PINNED = 1\n",
    "other": "def h(x):\n    return x + 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules; one imports two imports three, the last by a function."""
    monkeypatch.setattr(source, "_PACKAGE", tmp_path)

    def write(**changes):
        source._module.cache_clear()
        for name, text in {**FILES, **changes}.items():
            (tmp_path / f"{name}.py").write_text(text)

    write()
    return write


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_a_change_in_what_is_imported_counts(package, name):
    """Truth: what the modules import, directly, by way of another, inside a function."""
    before, alone = source.code("one"), source.code("other")
    package(**{name: FILES[name] + "\nCHANGED = 1\n"})
    assert source.code("one")["code"] != before["code"]
    assert source.code("other") == alone
    assert source.code("one", without=("three", "two"))["versions"] == {}


def test_what_is_left_out_does_not_count(package):
    """Truth: three is imported by two only."""
    before = source.code("one", without=("two",))
    package(three="CHANGED = 1\n")
    assert source.code("one", without=("two",)) == before


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Other."""\ndef h(x):\n    "Other."\n    return x+1 # why\n', True),
        ("def h(x):\n    return (x + 1)\n", True),
        ("def h(x):\n    return x + 2\n", False),
        ("def h(x):\n    y = 'text'\n    return x + 1\n", False),
    ],
)
def test_prose_and_layout_do_not_count(package, text, same):
    """Truth: the same arithmetic commented otherwise; then another."""
    before = source.code("one")
    package(three=text)
    assert (source.code("one") == before) == same


def test_versions_are_those_of_what_is_imported(package):
    """Truth: the import; and what stands behind flavio."""
    assert list(source.code("one")["versions"]) == ["numpy"]
    package(three="import flavio\n")
    found = source.code("one")["versions"]
    assert set(found) == {"numpy", "flavio", "ckmutil", "rundec", "scipy"}


def test_a_package_that_is_missing_is_one_sentence():
    """As after an update that needs one more: `make setup` is named."""
    with pytest.raises(ConfigurationError, match=r"package no-such-package .* `make setup`"):
        source.version("no-such-package")


def test_unknown_module_is_refused():
    """Truth: there is none."""
    with pytest.raises(FileNotFoundError):
        source.code("no-such-module")


def test_every_script_takes_its_recipe_only():
    """Truth: the scripts' text; none reads the configuration, behind Snakemake's back or not."""
    scripts = [p for p in (ROOT / "scripts").glob("*.py") if "with job(snakemake)" in p.read_text()]
    assert len(scripts) > 15
    for path in scripts:
        text = path.read_text()
        assert not re.search(r"snakemake\.config|configuration import|load_yaml", text), path
        used = set(re.findall(r"snakemake\.(\w+)", text))
        assert used <= {"input", "output", "params", "threads", "wildcards"}, path


#: Each may import from those before it.
PACKAGES = (
    "", "physics", "data", "engines", "scan", "inference", "atlas", "report", "workflow",
)  # fmt: skip


def test_packages_are_a_ladder():
    """Truth: the table of CONTRIBUTING.md; the imports of every module, in functions too."""
    package = ROOT / "workflow/src/malaphoric"
    seen = set()
    for path in sorted(package.rglob("*.py")):
        own = path.parent.relative_to(package).as_posix()
        own = "" if own == "." else own
        if path.name in ("__init__.py", "__main__.py"):  # the names that users import, the commands
            continue
        for module in source._module(path).modules:
            other = module.rpartition(".")[0]
            assert PACKAGES.index(other) <= PACKAGES.index(own), (path, module)
            seen.add((own, other))
    assert len(seen) > 20
