"""Charges as model files write them: numbers, fractions, or linear in named parameters.

They are read exactly; whose charges they are, and what they imply, is in `model`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

import numpy as np

from malaphoric.physics.parameters import HATTED

#: A number, or text that is linear in parameters as `read` returns it, such as "-3*a + 1/2".
Charge = float | str

#: Largest modulus of a number in a charge.
LARGEST = 1000

_FINEST = 10**30  # all digits of a float, and no denominators of hundreds

_NAME = re.compile(r"[a-z][A-Za-z0-9_]{0,39}")


def read(value: float | str) -> Charge:
    """A charge as it stands in a model's file.

    Parameters
    ----------
    value : float or str
        A number, or text such as "-1/3", "-3*a" or "(1 - a)/3 + b".

    Returns
    -------
    float or str
        Text if it depends on parameters, in one form for whatever is written.

    Raises
    ------
    ValueError
        Saying why the text is not accepted.
    """
    if not isinstance(value, str):
        return float(value)
    found = terms(value)
    if any(abs(x) > LARGEST or x.denominator > _FINEST for x in found.values()):
        raise ValueError(f"a number beyond {LARGEST}, or with too many digits")
    if not set(found) - {""}:
        return float(found.get("", 0))
    first, *others = (_term(x, name) for name, x in found.items())
    return first + "".join(
        f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in others
    )


def terms(charge: Charge) -> dict[str, Fraction]:
    """Coefficients of a charge by parameter, in the order written; that of "" is the constant.

    Raises
    ------
    ValueError
        If text is not linear in parameters.
    """
    if not isinstance(charge, str):
        return {"": Fraction(charge)}
    return dict(_terms(charge))


def names(charge: Charge) -> list[str]:
    """The parameters that a charge depends on."""
    return [name for name in terms(charge) if name] if isinstance(charge, str) else []


def at(charge: Charge, values: Mapping[str, float | np.ndarray]) -> float | np.ndarray:
    """A charge at values of its parameters."""
    if not isinstance(charge, str):
        return charge
    found = terms(charge)
    constant = float(found.pop("", 0))
    return constant + sum(float(x) * values[name] for name, x in found.items())


def largest(charge: Charge, ranges: Mapping[str, tuple[float, float]]) -> float:
    """Largest modulus of a charge while its parameters are in their ranges."""
    found = {name: float(x) for name, x in terms(charge).items()}
    constant = found.pop("", 0.0)
    ends = [[x * end for end in ranges[name]] for name, x in found.items()]
    return max(abs(constant + sum(map(pick, ends))) for pick in (min, max))


@cache
def _terms(text: str) -> tuple[tuple[str, Fraction], ...]:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError("not a formula") from error
    return tuple((name, x) for name, x in _read(tree.body).items() if x)


def _read(node: ast.expr) -> dict[str, Fraction]:
    """Coefficients of a formula; nothing is evaluated that is not listed here."""
    match node:
        case ast.Constant(value=int() | float() as x) if type(x) is not bool and math.isfinite(x):
            return {"": Fraction(str(x))}
        case ast.Name(id=name):
            if not _NAME.fullmatch(name) or name in HATTED:
                raise ValueError(f"{name} is no name of such a parameter")
            return {name: Fraction(1)}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
            return _scaled(_read(inner), -1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):
            result, factor = _read(left), -1 if isinstance(sign, ast.Sub) else 1
            for name, more in _read(right).items():
                result[name] = result.get(name, 0) + factor * more
            return result
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, other = _read(left), _read(right)
            if set(one) <= {""}:
                one, other = other, one
            return _scaled(one, _constant(other, "a product of parameters is not linear"))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            divisor = _constant(_read(right), "a quotient by a parameter is not linear")
            if not divisor:
                raise ValueError("a division by zero")
            return _scaled(_read(left), 1 / divisor)
    raise ValueError("only numbers, names, + - * / and brackets make a charge")


def _scaled(found: dict[str, Fraction], factor: Fraction | int) -> dict[str, Fraction]:
    return {name: x * factor for name, x in found.items()}


def _constant(found: dict[str, Fraction], otherwise: str) -> Fraction:
    if set(found) - {""}:
        raise ValueError(otherwise)
    return found.get("", Fraction(0))


def _term(x: Fraction, name: str) -> str:
    if not name:
        return str(x)
    if abs(x) == 1:
        return name if x > 0 else f"-{name}"
    return f"{x}*{name}"
