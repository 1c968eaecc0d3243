"""Loading and validating YAML: one sentence an error, naming key, value and what is accepted.

The schemas themselves are in ``workflow/schemas``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:  # a fifth of what a job imports, and jobs validate nothing
    import jsonschema

# in a wheel only: models and schemas under their names in the project, see setup.py
_COPIED = Path(str(files(__package__)), "project")

#: Top folder of the project; of an installation without it, the folder of what was copied.
ROOT = _COPIED if _COPIED.is_dir() else Path(__file__).resolve().parents[3]


# numbers that YAML 1.1 takes for text because they lack a decimal point
_NUMBER = re.compile(r"[+-]?[0-9]+[eE][+-]?[0-9]+")


class ConfigurationError(ValueError):
    """A configuration, model or data file says something that is not accepted."""


def checkout(*names: str) -> Path:
    """A path in the project's folder, for what is not copied into an installation.

    Raises
    ------
    ConfigurationError
        If the package was not installed from a checkout that it can use.
    """
    if ROOT == _COPIED:
        raise ConfigurationError(
            "malaphoric is installed without its workflow, which is not accepted here; accepted: "
            "`make setup`, or `pip install --editable .`, in the project's folder"
        )
    return ROOT.joinpath(*names)


class _Loader(yaml.SafeLoader):
    """Plain YAML: no tag makes an object, no key stands twice, no alias multiplies the content."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                problem=f"the alias *{event.anchor} is not accepted: write its value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # a date without such a day, !!int of a word
            raise yaml.constructor.ConstructorError(
                problem=f"{_short(node.value)} is not accepted: {error}",
                problem_mark=node.start_mark,
            ) from error


class _OwnLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """For the schemas, at every start: reads in C where PyYAML has that, and checks nothing."""


# other packages replace the constructor of mappings for everybody, and with it our check
for _loader in (_Loader, _OwnLoader):
    _loader.add_constructor(
        "tag:yaml.org,2002:map", yaml.constructor.SafeConstructor.construct_yaml_map
    )


def load_yaml(path: Path, most: int = 100_000) -> dict:
    """Read a YAML file safely (no code is ever executed).

    Parameters
    ----------
    path : path
    most : int
        Bytes that are accepted; of a larger file no more is read.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is too large, is not valid YAML, has a key twice or an alias.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ConfigurationError(f"{path}: too large; accepted: at most {most} bytes")
        return yaml.load(content.decode(), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}"
        raise ConfigurationError(f"{path}: {where}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error


def read_yaml_in_c() -> None:
    """Let flavio, which reads megabytes of YAML when it is imported, do that in C: a third quicker.

    For processes of our own only, because it counts for everything in the process.
    """
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _validator() -> Any:
    """JSON Schema takes 5.0 for a whole number; numpy does not."""
    import jsonschema

    usual = jsonschema.Draft202012Validator
    whole = usual.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return jsonschema.validators.extend(usual, type_checker=whole)


@cache
def load_schema(name: str) -> dict:
    """Content of ``workflow/schemas/<name>.schema.yaml``; not to be changed.

    What it names under ``as_in_config`` is what that schema says.
    """
    text = (ROOT / "workflow" / "schemas" / f"{name}.schema.yaml").read_text(encoding="utf-8")
    schema = yaml.load(text, _OwnLoader)
    if names := schema.pop("as_in_config", ()):
        shared = load_schema("config")
        schema["$defs"] = shared["$defs"]
        schema["properties"] |= {key: shared["properties"][key] for key in names}
    return schema


def validate(data: object, schema: str, source: str, partial: bool = False) -> None:
    """Check data against ``workflow/schemas/<schema>.schema.yaml``.

    Parameters
    ----------
    data : object
    schema : {"config", "atlas", "model"}
    source : str
        Name for error messages.
    partial : bool
        Whether keys may be missing.

    Raises
    ------
    ConfigurationError
        Naming every wrong key, its value and what would be accepted.
    """
    try:
        _refuse_numbers(data, source, ())
    except RecursionError as error:
        raise ConfigurationError(f"{source}: nested too deeply, or contains itself") from error
    errors = sorted(
        _validator()(load_schema(schema)).iter_errors(data), key=lambda e: list(map(str, e.path))
    )
    errors = [e for e in errors if not (partial and e.validator == "required")]
    if errors:
        messages = dict.fromkeys(f"{source}: {_message(e)}" for e in errors)  # each once
        raise ConfigurationError("\n".join(messages))


def _message(error: jsonschema.ValidationError) -> str:
    key = _dotted(error.absolute_path)
    value, schema = error.instance, error.schema
    if error.validator == "additionalProperties":
        allowed = schema.get("properties", {})
        unknown = [k for k in value if k not in allowed]
        names = ", ".join(_dotted([*error.absolute_path, k]) for k in unknown)
        meant = meaning(unknown, allowed)
        return f"unknown key {names}; {meant}accepted: {', '.join(sorted(allowed))}"
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in value]
        names = ", ".join(f"{key}.{k}" if key else k for k in missing)
        return f"missing key {names}; accepted: {schema['description']}"
    accepted = schema.get("description") or error.message
    if error.validator == "enum" and (meant := meaning([value], map(str, error.validator_value))):
        accepted += f" ({meant.strip()})"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        accepted += f" (YAML reads {value} as text: write a decimal point, as in 1.0e-3)"
    return f"{key or 'content'}: {_short(value)} is not accepted; accepted: {accepted}"


def meaning(given: Iterable[object], known: Iterable[str]) -> str:
    """Which known words may have been meant, as the part of an error before ``accepted``."""
    lower = {name.lower(): name for name in known}
    near = [difflib.get_close_matches(str(word).lower(), lower, n=1) for word in given]
    names = dict.fromkeys(lower[name] for found in near for name in found)
    return f"did you mean {' and '.join(names)}? " if names else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def _dotted(path: Iterable[object]) -> str:
    """A key's place in the file; what a terminal cannot show is escaped."""
    return ".".join(
        k if isinstance(k, str) and k.isprintable() and len(k) < 80 else _short(k) for k in path
    )


def _refuse_numbers(data: object, source: str, path: tuple) -> None:
    """JSON Schema lets .nan and .inf pass, and Python cannot print integers of any size."""
    if isinstance(data, dict):
        for key, value in data.items():
            _refuse_numbers(key, source, (*path, "key"))
            _refuse_numbers(value, source, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            _refuse_numbers(value, source, (*path, index))
    elif isinstance(data, int) and data.bit_length() > 1024:
        text = f"an integer of {data.bit_length()} bits"
        raise ConfigurationError(
            f"{source}: {_dotted(path)}: {text} is not accepted; accepted: a number"
        )
    elif isinstance(data, float) and not math.isfinite(data):
        raise ConfigurationError(
            f"{source}: {_dotted(path)}: {data} is not accepted; accepted: a number"
        )
