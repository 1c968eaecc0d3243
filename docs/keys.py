"""The reference of keys as Markdown, from the schemas that files are checked against."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sphinx.application import Sphinx

from malaphoric.schema import ROOT, load_schema

#: A default that is longer is not shown.
_LONGEST = 90


def keys(name: str) -> str:
    """Every key of a schema: what it is, what is accepted, its default.

    Parameters
    ----------
    name : {"config", "atlas", "model"}

    Returns
    -------
    str
        Markdown: a heading for each key, and a list of those below it. Keys of an atlas that are
        those of a run are only named.
    """
    schema, run = load_schema(name), load_schema("config")
    shared = [key for key in schema["properties"] if name == "atlas" and key in run["properties"]]
    shared = [key for key in shared if schema["properties"][key] is run["properties"][key]]
    lines = []
    for names, inner in _entries(schema, schema["$defs"]):
        if names[0] not in shared:
            required = names[0] in schema["required"]
            lines += [f"### {_named(names)}\n", _said(inner, required)]
            lines += ["", *_below(inner, schema["$defs"], ""), ""]
    if shared:
        lines += [f"### {_named(shared)}\n", "As in the configuration of a run, above."]
    return "\n".join(lines)


def _entries(schema: dict, defined: dict) -> Iterator[tuple[list[str], dict]]:
    """Keys of a mapping, those alike together."""
    inner = dict(schema.get("properties", {}))
    if isinstance(any_other := schema.get("additionalProperties"), dict):
        inner["<name>"] = any_other
    groups: dict[str, list[str]] = {}
    for key, value in inner.items():
        groups.setdefault(str(value) if "$ref" in value else key, []).append(key)
    for names in groups.values():
        value = inner[names[0]]
        reference = value.get("$ref", "").rsplit("/", 1)[-1]
        yield names, {**defined.get(reference, {}), **value}


def _below(schema: dict, defined: dict, indent: str) -> Iterator[str]:
    for names, inner in _entries(schema, defined):
        required = names[0] in schema.get("required", ())
        yield f"{indent}* {_named(names)}: {_said(inner, required)}"
        yield from _below(inner, defined, indent + "  ")
    if "items" in schema:
        yield from _below(schema["items"], defined, indent)


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _said(schema: dict, required: bool) -> str:
    about = f"{schema['title']}. " if "title" in schema else ""
    text = f"{about}*Accepted:* {_plain(schema['description'])}."
    if required:
        return f"{text} *Required.*"
    if default := _default(schema):
        text += f" *Default:* {default}."
    return text


def _default(schema: dict) -> str:
    if "default" not in schema or schema["default"] == {}:
        return ""
    text = json.dumps(schema["default"], ensure_ascii=False).replace('"', "")
    return f"`{text}`" if len(text) <= _LONGEST else "in the schema"


def _plain(text: str) -> str:
    """Text of an error message, of which no character is Markdown's."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#|$~" else c for c in text)


def _with_keys(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the keys of a schema where a page has ``<!-- keys: NAME -->``."""
    for name in ("config", "atlas", "model"):
        mark = f"<!-- keys: {name} -->"
        if mark in source[0]:
            app.env.note_dependency(str(ROOT / f"workflow/schemas/{name}.schema.yaml"))
            source[0] = source[0].replace(mark, keys(name))


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("source-read", _with_keys)
