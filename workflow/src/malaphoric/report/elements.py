"""What every page is made of: its outer form, tables, figures, formulas and record in HTML.

What a page says of a run is in `page`, of an atlas in `atlas_page`; looks and what runs in the
browser are in ``templates``.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import yaml
from plotly.offline import get_plotlyjs

from malaphoric import store
from malaphoric.report.figures import DOTS
from malaphoric.report.summary import ranges, with_error

# Pixels of an inch of a figure: a column's width leaves room for a caption beside it.
_SHOWN = 160

# Rows above which a table can be searched.
_LONG = 15


def document(
    title: str,
    run: str,
    summary: str,
    sections: Mapping[str, str],
    description: object,
    script: str,
    content: bytes = b"",
) -> str:
    """A page as HTML that needs no server and no network.

    Parameters
    ----------
    title : str
        With LaTeX between dollar signs.
    run : str
        Name of the run.
    summary : str
        What it is, in HTML.
    sections : mapping
        HTML by heading.
    description : plain data
        What the script is given as JSON.
    script : str
        Name of the one in ``templates`` that draws the page's plots.
    content : bytes
        Numbers that the script unpacks.

    Returns
    -------
    str
        The same for the same content, but for the version of the compression.
    """
    bodies = (
        f'<section id="{anchor(heading)}">\n<h2>{heading}</h2>\n{body}\n</section>'
        for heading, body in sections.items()
    )
    return Template(template("page.html")).substitute(
        style=template("page.css"),
        title=html(title),
        plain_title=escape(_without_tags(html(title))),
        run=escape(run),
        summary=summary,
        links=" ".join(f'<a href="#{anchor(heading)}">{heading}</a>' for heading in sections),
        sections="\n".join(bodies),
        description=_json(description),
        content=_packed(content),
        plotly=_packed(get_plotlyjs().encode()),
        scripts="\n".join(
            f"<script>\n{template(name)}\n</script>" for name in ("page.js", "plots.js", script)
        ),
    )


def template(name: str) -> str:
    """A file of ``templates``."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def short(value: Any, digits: int = 4) -> str:
    """A number of a table; empty for what there is none of."""
    if value is None or value == "" or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, float):
        text = f"{value:.{digits}g}"
        mantissa, _, power = text.partition("e")
        text = f"{mantissa} · 10<sup>{int(power)}</sup>" if power else text
        return text.replace("-", "−")
    return str(value)


def valued(value: float | None, error: float | None) -> str:
    """A value and its error; empty for what there is none of."""
    if value is None:
        return ""
    return f'<span class="value">{with_error(value, error).replace("-", "−")}</span>'


def intervals(pieces: Iterable[Iterable[float | None]]) -> str:
    """Intervals in words."""
    return ranges(pieces).replace("-", "−")


_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω",
}  # fmt: skip


def html(text: str) -> str:
    """Text with LaTeX between dollar signs in HTML: Greek, hats, indices; what else stays."""
    parts = text.split("$")
    return "".join(_formula(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def _formula(text: str) -> str:
    text = escape(text.replace("-", "−"))
    text = re.sub(r"\\(?:mathrm|text|mathit|mathbf)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\[,;:! ]", " ", text)
    for name, letter in _LETTERS.items():
        text = re.sub(rf"\\{name}(?![a-zA-Z])", letter, text)
    text = re.sub(r"\\hat\s*\{?(\w)\}?", "\\1\u0302", text)
    text = re.sub(r"\\(?:tilde|bar)\s*\{?(\w)\}?", "\\1\u0304", text)
    text = re.sub(r"_(?:\{([^{}]*)\}|(\w))", r"<sub>\1\2</sub>", text)
    text = re.sub(r"\^(?:\{([^{}]*)\}|(\w))", r"<sup>\1\2</sup>", text)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", text))


def _without_tags(text: str) -> str:
    return re.sub(r"<[^>]*>", "", text)


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _json(data: object) -> str:
    """JSON that ends no script, in the order given."""
    strict = json.loads(store.strict_json(data))
    return json.dumps(strict, separators=(",", ":")).replace("<", "\\u003c")


def figure(
    name: str, path: str, caption: str, numbers: str = "", symbols: Mapping[str, str] | None = None
) -> str:
    """A PNG with its caption, which the numbers of a run in HTML follow.

    ``symbols``: HTML for the names of parameters that stand in the caption.
    """
    caption = " ".join(caption.split()).replace("chi2", "χ²").replace("->", "→")
    written = escape(caption)
    if symbols:
        names = rf"\b({'|'.join(map(re.escape, symbols))})\b"
        written = re.sub(names, lambda match: symbols[match.group()], written)
    png = Path(path).read_bytes()
    width = int.from_bytes(png[16:20]) * _SHOWN // DOTS
    image = base64.b64encode(png).decode()
    return (
        f'<figure id="figure-{anchor(name)}"><img alt="{escape(caption)}" loading="lazy" '
        f'width="{width}" src="data:image/png;base64,{image}">'
        f"<figcaption><b>{escape(name)}.</b> {written} {numbers}</figcaption>"
        "</figure>"
    )


def anchor(text: str) -> str:
    """Text as an id."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def table(
    name: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    keys: Sequence[str] = (),
    filters: Mapping[str, Sequence[bool]] | None = None,
) -> str:
    """A table; what sorts, searches and filters it is in ``page.js``.

    Parameters
    ----------
    name : str
        What is searched.
    head, rows : sequence of str
        Cells in HTML.
    note : str
        HTML below the table.
    keys : sequence of str
        Names of the columns for a script.
    filters : mapping
        By what a box says that leaves some of the rows: whether each of them is one of these.
    """
    filters = filters or {}
    search = ""
    if len(rows) > _LONG or filters:
        boxes = "".join(
            f'<label><input type="checkbox" data-only="{number}"> {what}</label>'
            for number, what in enumerate(filters)
        )
        search = (
            f'<p class="search"><label>Search {escape(name)} <input type="search"></label> {boxes} '
            f'<output aria-live="polite">{len(rows)} rows</output></p>'
        )
    titles = "".join(
        f'<th scope="col"{key}><button type="button">{cell}</button></th>'
        for cell, key in zip(head, _attributes("data-key", keys or [""] * len(head)), strict=True)
    )
    kinds = [
        " ".join(str(n) for n, own in enumerate(filters.values()) if own[row])
        for row in range(len(rows))
    ]
    body = "\n".join(
        f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row, kind in zip(rows, _attributes("data-is", kinds), strict=True)
    )
    foot = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<div class="table" id="table-{anchor(name)}">{search}<div class="scroll" tabindex="0" '
        f'role="region" aria-label="{escape(name)}"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>{foot}</div>"
    )


def _attributes(name: str, values: Iterable[str]) -> list[str]:
    """An attribute of each of some elements; nothing for what is empty."""
    return [f' {name}="{escape(value)}"' if value else "" for value in values]


def csv_table(heading: str, path: str, shown: Mapping[str, str] | None = None) -> str:
    """A CSV as a table; numbers with four digits, and all of them for sorting.

    ``shown``: its columns, in their order, and their titles (default: all by their names).
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = shown or {name: name.replace("_", " ") for name in rows[0]}
    cells = [[cell(row[name]) for name in shown] for row in rows]
    return f"<h3>{escape(heading)}</h3>" + table(heading, list(map(escape, shown.values())), cells)


def cell(text: str) -> str:
    """A cell of a CSV; of a number four digits, and all of them for sorting."""
    try:
        value = float(text)
    except ValueError:
        return escape(text)
    exact = f'<data value="{escape(text)}">'
    return f"{exact}{short(value) if '.' in text or 'e' in text else escape(text)}</data>"


def markdown(path: str) -> str:
    """What is written in the Markdown of `tables.markdown`: a title, tables and paragraphs."""
    blocks = []
    for block in Path(path).read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        if block.startswith("# "):
            blocks.append(f"<h3>{escape(block[2:])}</h3>")
        elif block.startswith("|"):
            cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
            titles = list(map(escape, cells[0]))
            rows = [[cell(c) for c in row] for row in cells[2:]]
            blocks.append(table(Path(path).stem, titles, rows))
        elif block.startswith("* "):
            items = re.split(r"^\* ", block, flags=re.MULTILINE)[1:]
            blocks.append("<ul>" + "".join(f"<li>{_inline(x)}</li>" for x in items) + "</ul>")
        else:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "\n".join(blocks)


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def record(record: dict) -> str:
    """What the run was made from."""
    configuration = yaml.safe_dump(record["configuration"], sort_keys=False, allow_unicode=True)
    git = record["git"] or {}
    state = git.get("commit", "not in a repository") + " (modified)" * bool(git.get("modified"))
    used = {**record["versions"], **record["system"]}
    versions = [[escape(k), escape(str(v))] for k, v in used.items()]
    digests = [[escape(k), f"<code>{escape(v)}</code>"] for k, v in record["files"].items()]
    tables = {
        "Versions": table("versions", ["package", "version"], versions),
        "Files": table("files", ["file", "sha256, 32 digits"], digests),
    }
    return (
        f"<p>{escape(record['check'].capitalize())}. Commit <code>{escape(state)}</code>; data "
        f"<code>{escape(record['data']['digest'])}</code>.</p>"
        f"<details><summary>Configuration</summary><pre>{escape(configuration)}</pre></details>"
        + "".join(f"<details><summary>{k}</summary>{v}</details>" for k, v in tables.items())
    )
