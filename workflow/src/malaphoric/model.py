"""U(1)_X models: charges and quark mixing, loaded from one YAML file a model.

What a model implies for the SMEFT is in `smeft`; the scan's other settings are in `configuration`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np

from malaphoric import smeft
from malaphoric.schema import ROOT, ConfigurationError, load_yaml, validate

#: Folder of the models that can be loaded by name.
MODELS = ROOT / "config" / "models"


def _rotation_sb(theta_sb: np.ndarray) -> np.ndarray:
    """Rotation of the second and third family, eq. (3.2), shape (n, 3, 3)."""
    matrix = np.zeros((theta_sb.size, 3, 3))
    matrix[:, 0, 0] = 1
    matrix[:, 1, 1] = matrix[:, 2, 2] = np.cos(theta_sb)
    matrix[:, 1, 2] = np.sin(theta_sb)
    matrix[:, 2, 1] = -matrix[:, 1, 2]
    return matrix


# matplotlib's parser calls itself some 40 times a level, out of Python's 1000
_DEEPEST = 10

#: What makes the mixing matrix V_dL, by the name of its ansatz in a model file.
MIXING = {"rotation_sb": _rotation_sb}


@dataclass(frozen=True)
class Model:
    """A U(1)_X model, the Tables 2 and 3 of the paper for its charge assignment.

    Attributes
    ----------
    name : str
        Name of the model, equal to the stem of its file.
    title : str
        LaTeX title for figures.
    charges : dict
        ``X_q``, ``X_l``, ``X_e``, ``X_d``, ``X_u``: three charges each, by family; ``X_H``.
    mixing : str
        Ansatz for the mixing matrix V_dL of the left-handed down quarks, a key of `MIXING`.
    reference : str
        Where the model comes from.

    Raises
    ------
    ConfigurationError
        If nobody computes the ansatz.
    """

    name: str
    title: str
    charges: dict
    mixing: str
    reference: str = ""

    def __post_init__(self) -> None:
        if self.mixing not in MIXING:
            raise ConfigurationError(
                f"model {self.name}: mixing: {self.mixing!r} is not accepted; accepted: "
                f"{', '.join(MIXING)}"
            )

    @classmethod
    def load(cls, name_or_path: str | Path) -> Model:
        """Load a model by its name in ``config/models`` or by the path of a YAML file.

        Raises
        ------
        ConfigurationError
            If there is no such model, its file has a wrong or missing key or value, or its name
            is not the file's.
        """
        path = cls.find(name_or_path)
        model = cls.from_dict(load_yaml(path), source=str(path))
        if model.name != path.stem:  # a copied file whose charges changed and whose name did not
            raise ConfigurationError(
                f"{path}: name: {model.name!r} is not accepted; accepted: {path.stem!r}, the name "
                "of the file"
            )
        return model

    @staticmethod
    def find(name_or_path: str | Path) -> Path:
        """The file of a model.

        Raises
        ------
        ConfigurationError
            If there is no such model.
        """
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = MODELS / f"{name_or_path}.yaml"
        try:
            found = path.is_file()
        except (OSError, ValueError):  # a name that no file can have
            found = False
        if not found:
            known = ", ".join(sorted(p.stem for p in MODELS.glob("*.yaml")))
            raise ConfigurationError(
                f"model: {str(name_or_path)!r} not found; accepted: a path to a YAML file or one "
                f"of {known} (in config/models)"
            )
        return path

    @classmethod
    def from_dict(cls, data: dict, source: str = "model") -> Model:
        """Make a model from the content of its YAML file.

        Parameters
        ----------
        data : dict
            Content of the file, see ``workflow/schemas/model.schema.yaml``.
        source : str
            Name for error messages.

        Raises
        ------
        ConfigurationError
            If a key or value is not accepted by the schema.
        """
        validate(data, "model", source)
        charges = {
            key: tuple(_number(x) for x in value) if isinstance(value, list) else _number(value)
            for key, value in data["charges"].items()
        }
        return cls(
            name=data["name"],
            title=data["title"],
            charges=charges,
            mixing=data["mixing"],
            reference=data.get("reference", ""),
        )

    @classmethod
    def of(cls, physics: dict) -> Model:
        """The model of which `as_dict` is the physics."""
        return cls(title=physics["name"], **physics)

    def as_dict(self) -> dict:
        """Plain data that define the physics of the model (without title and reference)."""
        return json.loads(
            json.dumps({"name": self.name, "charges": self.charges, "mixing": self.mixing})
        )

    def check_title(self) -> None:
        """Refuse a title that no figure can show; apart from `load` because it takes a while.

        Raises
        ------
        ConfigurationError
            If the LaTeX of the title is not understood.
        """
        from matplotlib import cbook, mathtext

        try:
            if _depth(self.title) > _DEEPEST:
                raise ValueError(f"braces nested more than {_DEEPEST} deep")
            if cbook.is_math_text(self.title):
                mathtext.MathTextParser("path").parse(self.title)
        except Exception as error:  # ValueError, and whatever its parser stumbles on
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise ConfigurationError(
                f"model {self.name}: title: {self.title!r} is not accepted; accepted: a text, "
                f"LaTeX allowed between dollar signs ({reason})"
            ) from error

    def v_dl(self, theta_sb: np.ndarray) -> np.ndarray:
        """Mixing matrix V_dL of the left-handed down quarks, by the model's ansatz.

        Parameters
        ----------
        theta_sb : array_like, shape (n,)
            Mixing angle in rad.

        Returns
        -------
        ndarray, shape (n, 3, 3)
        """
        return MIXING[self.mixing](np.atleast_1d(np.asarray(theta_sb, dtype=float)))

    def smeft(
        self, epsilon_hat: float, g_hat: float, theta_sb: float, M_X: float = smeft.M_REFERENCE
    ) -> dict[str, float]:
        """SMEFT coefficients of a point, eqs (2.8)-(2.30), in GeV^-2 at mu = M_X.

        Parameters
        ----------
        epsilon_hat, g_hat, theta_sb : float or array_like, shape (n,)
            Scan parameters, eq. (4.1); theta_sb in rad.
        M_X : float
            Mass of the X boson in GeV.

        Returns
        -------
        dict of str to float (or ndarray, shape (n,))
            WCxf coefficients, EFT SMEFT, basis Warsaw; g' is taken at mu = M_X.
        """
        result = smeft.coefficients(self, epsilon_hat, g_hat, theta_sb, M_X)
        if np.ndim(epsilon_hat) == np.ndim(g_hat) == np.ndim(theta_sb) == 0:
            return {name: float(value[0]) for name, value in result.items()}
        return result


def _depth(text: str) -> int:
    """How deep braces are nested in a text."""
    steps = [(character == "{") - (character == "}") for character in text]
    return max(accumulate(steps), default=0)


def _number(value: float | str) -> float:
    """A charge as a float; fractions such as "-1/3" are written as strings."""
    return float(Fraction(value)) if isinstance(value, str) else float(value)
