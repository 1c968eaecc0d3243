"""What Snakemake and its jobs need, prepared once: `harness` forks for each of them."""

# ruff: noqa: F401, I001
import malaphoric  # first: it pins the arithmetic
import fontTools.subset
import iminuit
import jsonschema
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_pdf
import nbformat
import scipy.optimize
import smart_open
import snakemake.cli
import snakemake.persistence.file
import snakemake.report.html_reporter

from malaphoric.engines import compiling, running
from malaphoric.inference import fits
from malaphoric.report import comparison, explorer, notes, page, plotted
from malaphoric.scan import merging
from malaphoric.schema import read_yaml_in_c
from malaphoric.workflow import archive, jobs
from malaphoric.workflow.configuration import Configuration
from malaphoric.workflow.recipes import Recipes

from harness import TINY

read_yaml_in_c()  # flavio is imported after this

# reads the schemas, and digests all modules and scripts
Recipes(Configuration(TINY, "tiny"))
