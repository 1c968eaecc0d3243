"""Sphinx: the pages of the project as a site, see `make docs`.

The source is the project's folder, so that links between pages are the same here and on GitHub.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import malaphoric
from malaphoric.schema import ROOT

sys.path.insert(0, str(Path(__file__).parent))

project = "malaphoric"
author = "The malaphoric developers"
version = release = malaphoric.__version__

extensions = [
    "keys",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "CONTRIBUTING.md"]
include_patterns += ["config/data/README.md", "config/data/2026/README.md"]
# the rest of the project is not looked through
exclude_patterns = [
    ".*",
    "results",
    "tests",
    "workflow",
    "docs/_build",
    "docs/templates",
    "**/.*",
    "**/__pycache__",
]

html_theme = "furo"
html_title = "malaphoric"
html_show_copyright = False
html_show_sourcelink = html_copy_source = False
# the first page of the site is where a browser and a server look for it
html_additional_pages = {"index": "redirect.html"}
templates_path = ["templates"]

myst_heading_anchors = 3
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the docstrings have them, with shapes and units
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # words in the place of a type are no references

# Notebooks are stored without outputs, and executed for the site: -D nb_execution_mode=off shows
# them as they are.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
RUN = ROOT / "results/b3-l2/record.json"  # made last
nb_execution_excludepatterns = [] if RUN.exists() else ["**/open_a_run.ipynb"]


def _as_meant(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list) -> None:
    """What napoleon and reStructuredText read otherwise than it is meant.

    "Draws: those of smelli" names no type, and |epsilon| is an absolute value, no substitution.
    """
    kind = next((line for line in lines if line.startswith(":type: ")), "")
    if what in ("attribute", "data", "property") and kind:
        lines.remove(kind)
        lines[0] = f"{kind.removeprefix(':type: ')}: {lines[0]}"
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        lines[i] = "".join(p if p.startswith("``") else p.replace("|", r"\|") for p in parts)


def _without_places(app: Sphinx, doctree: nodes.document) -> None:
    """Where the project lies on this machine is of no interest."""
    for value in list(doctree.findall(addnodes.desc_annotation)):
        if str(ROOT) in value.astext():
            value.parent.remove(value)


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", _as_meant, priority=900)  # after napoleon
    app.connect("doctree-read", _without_places)
    if not RUN.exists() and list((ROOT / "docs/notebooks").glob("open_a_run.ipynb")):
        print("open_a_run.ipynb is shown without outputs: there is no results/b3-l2 (`make run`)")
