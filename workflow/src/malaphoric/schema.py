"""Loading and validating YAML: one sentence an error, naming key, value and what is accepted.

The schemas themselves are in ``workflow/schemas``.
"""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import jsonschema
import yaml

#: Top folder of the project: the package is used from a checkout (editable installation).
ROOT = Path(__file__).resolve().parents[3]


# numbers that YAML 1.1 takes for text because they lack a decimal point
_NUMBER = re.compile(r"[+-]?[0-9]+[eE][+-]?[0-9]+")


class ConfigurationError(ValueError):
    """A configuration, model or data file says something that is not accepted."""


def load_yaml(path: Path) -> dict:
    """Read a YAML file safely (no code is ever executed).

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is not valid YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error


# JSON Schema takes 5.0 for a whole number; numpy does not
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return _Validator(load_yaml(ROOT / "workflow" / "schemas" / f"{name}.schema.yaml"))


def validate(data: object, schema: str, source: str) -> None:
    """Check data against ``workflow/schemas/<schema>.schema.yaml``.

    Raises
    ------
    ConfigurationError
        Naming every wrong key, its value and what would be accepted.
    """
    try:
        _refuse_not_finite(data, source, ())
    except RecursionError as error:
        raise ConfigurationError(f"{source}: contains itself; accepted: a finite file") from error
    errors = sorted(_validator(schema).iter_errors(data), key=lambda e: list(map(str, e.path)))
    if errors:
        raise ConfigurationError("\n".join(f"{source}: {_message(e)}" for e in errors))


def _message(error: jsonschema.ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path))
    value, schema = error.instance, error.schema
    if error.validator == "additionalProperties":
        allowed = schema.get("properties", {})
        where = f"{key}." if key else ""
        unknown = ", ".join(f"{where}{k}" for k in value if k not in allowed)
        return f"unknown key {unknown}; accepted: {', '.join(sorted(allowed))}"
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in value]
        names = ", ".join(f"{key}.{k}" if key else k for k in missing)
        return f"missing key {names}; accepted: {schema['description']}"
    accepted = schema.get("description") or error.message
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        accepted += f" (YAML reads {value} as text: write a decimal point, as in 1.0e-3)"
    return f"{key or 'content'}: {_short(value)} is not accepted; accepted: {accepted}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def _refuse_not_finite(data: object, source: str, path: tuple) -> None:
    """JSON Schema lets .nan and .inf pass as numbers."""
    if isinstance(data, dict):
        for key, value in data.items():
            _refuse_not_finite(value, source, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _refuse_not_finite(value, source, (*path, index))
    elif isinstance(data, float) and not math.isfinite(data):
        key = ".".join(map(str, path))
        raise ConfigurationError(f"{source}: {key}: {data} is not accepted; accepted: a number")
