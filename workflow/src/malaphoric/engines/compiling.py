"""Making what `compiled` evaluates: the model-independent table.

Everything here asks flavio, smelli and wilson (imported when needed); bulk evaluation lives in
`compiled`, the parameters' meaning in `smeft`.

Observables ask a point of flavio's for Wilson coefficients through a few dozen *ports*: a scale, an
EFT and a sector. The table is made by answering these questions with prescribed numbers, so that
thousands of directions cost nothing but flavio's own amplitudes:

* b → q l l and b → q γ: amplitudes are linear in (1, λ_t, λ_u, λ_t C_i), therefore every integral
  over q² that flavio performs on the way to an observable is a *bilinear form* in them, whatever
  ratio it ends up in. These integrals are recorded while flavio computes, and their forms fitted.
* meson mixing: M12 is λ_t² times a constant, plus matrix elements times coefficients.
* Z and W observables: second-order Taylor expansion in the coefficients at m_Z.
* everything else: first order in the coefficients, at Chebyshev nodes in the CKM phase δ; rare kaon
  decays to second order, which is exact. First order is enough for dipoles and scalars of b → q,
  which vector bosons generate by running only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from malaphoric import store
from malaphoric.data import categories, lep2, predicting
from malaphoric.engines import compiled
from malaphoric.engines.compiled import CKM, Port
from malaphoric.schema import ConfigurationError


def _unfit(what: str) -> ConfigurationError:
    """The error for what the forms of `compiled` do not hold."""
    return ConfigurationError(
        f"{what}: not accepted by the compiled engine; accepted: `engine: exact`"
    )


#: Independent parts of the table, one job each.
PARTS = ("b2q-0", "b2q-1", "b2q-mixing", "taylor", "electroweak", "ckm")

#: Observables that are functions of M12 of the B_s or B0 in closed form, see `compiled`.
_FROM_M12 = ("DeltaM_s", "S_psiphi", "S_psiK")

#: Radiative observables that mix several CKM factors: their new physics is in dipoles, which are
#: small (see `compiled.small`), so that first order at nodes of δ is enough.
_RADIATIVE = ("ACP(B->Xgamma)", "S_K*gamma", "BR(B->Xsgamma)")

#: C9 (of muons) at the points that decide how flavio subdivides its integrals.
_TYPICAL = (0.0, -0.7, -1.4)

#: Largest deviation from a bilinear form, relative to the largest sample. 10⁻⁶ are usual; more (up
#: to 3e-4) have T-odd CP averages such as S_9, numbers small by themselves: flavio conjugates CP
#: by γ → -γ, under which ckmutil's δ is not quite odd, see `compiled.decay_factors`.
_BILINEAR = 1e-3

#: Central differences: step in a coefficient, by sector; far below the SM, far above rounding.
_STEPS = {"sdsd": 1e-14, "cucu": 1e-14, "dbdb": 1e-14, "sd": 1e-2, "sdnunu": 1e-2}
_STEP = 1e-3

#: Sectors of observables that are quadratic in their coefficients.
_SQUARED = ("sdnunu", "sbnunu", "dbnunu", "sd")

#: Step in a coefficient at m_Z, GeV^-2: v² C = 6e-4, where third order is below 1e-9.
_STEP_EW = 1e-8


# ------------------------------------------------------------------------------------------ flavio


class _Recorder(dict):
    """A stand-in for wcxf.WC that remembers which coefficients were asked for."""

    def __init__(self, values: dict[str, complex], asked: set[str]) -> None:
        super().__init__(values)
        self.asked = asked

    def __getitem__(self, key: str) -> complex:
        self.asked.add(key)
        return super().__getitem__(key)

    @property
    def dict(self) -> _Recorder:
        return self


def _answering(values: Mapping[str, Mapping[str, complex]] | None = None) -> Any:
    """A flavio.WilsonCoefficients whose every port answers with prescribed values, by sector."""
    import flavio
    from flavio.physics.eft import sectors_flavio2wcxf
    from wilson import wcxf

    class Answering(flavio.WilsonCoefficients):
        def __init__(self) -> None:
            super().__init__()
            self.values = values or {}
            self.ports: set[Port] = set()
            self.asked: set[str] = set()

        def get_wc(self, sector, scale, par, eft="WET", basis="flavio", nf_out=None):
            eft = {None: eft, 5: "WET", 4: "WET-4", 3: "WET-3"}[nf_out]
            sector = sectors_flavio2wcxf.get(sector, sector)
            self.ports.add(Port(float(scale), eft, basis, sector))
            names = wcxf.Basis[eft, basis]
            names = names.all_wcs if sector == "all" else names.sectors[sector].keys()
            result: dict[str, complex] = dict.fromkeys(names, 0)
            result.update(self.values.get(sector, {}))
            return result

        def get_wcxf(self, sector, scale, par, eft="WET", basis="flavio", nf_out=None):
            return _Recorder(self.get_wc(sector, scale, par, eft, basis, nf_out), self.asked)

    return Answering()


def _predict(name: str | tuple, par: dict, wc: Any) -> Any:
    import flavio

    name, *arguments = (name,) if isinstance(name, str) else name
    return flavio.Observable[name].prediction_par(par, wc, *arguments)


def _parameters() -> dict[str, float]:
    """Central values of flavio, with the CKM elements smelli finds in the Standard Model."""
    return dict(categories.global_likelihood().par_dict_sm)


def _ports(observables: list) -> dict[str | tuple, set[Port]]:
    """Which ports each observable reads."""
    result, par = {}, _parameters()
    for name in observables:
        wc = _answering()
        _predict(name, par, wc)
        result[name] = wc.ports
    return result


def _groups(observables: list) -> dict[str, list]:
    """Which part of the table makes which of these observables."""
    ports = _ports(observables)
    groups: dict[str, list] = {part: [] for part in PARTS}
    slow = []
    for name in observables:
        sectors = {port.sector for port in ports[name]}
        if name in _FROM_M12:
            continue
        if "all" in sectors:
            groups["electroweak"].append(name)
        elif name in _RADIATIVE or not sectors & {"sb", "db"}:
            groups["taylor"].append(name)
        elif "sbsb" in sectors or isinstance(name, str):
            groups["b2q-mixing"].append(name)
        else:
            slow.append(name)
    # bins of one decay share amplitudes: keep them together
    slow.sort(key=lambda name: (name[0].split("(")[-1], name[1:]))
    half = len(slow) // 2
    groups["b2q-0"], groups["b2q-1"] = slow[:half], slow[half:]
    return groups


# ------------------------------------------------------------------------------- b → q l l, b → q γ


def _kronrod() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [-1, 1] of the 21-point rule of scipy's ``quad``.

    The nodes are those that quad visits; the weights follow, because a rule of 21 nodes that
    integrates polynomials up to degree 20 is unique.
    """
    from scipy.integrate import quad

    nodes: list[float] = []

    def visited(x: float) -> float:
        nodes.append(x)
        return 1.0

    quad(visited, -1, 1)
    x = np.array(nodes[:21])
    moments = np.zeros(21)
    moments[0] = 2
    return x, np.linalg.solve(np.polynomial.legendre.legvander(x, 20).T, moments)


class _Tracer:
    """Records every q² integral of flavio's on the way to an observable.

    flavio integrates adaptively, which is not linear in the integrand. The subdivisions found at a
    few typical points are kept for all later ones; where they differ, the mean is taken. That is so
    for B → X_s μ μ at high q²: its end point lies inside the bin, flavio stops after five, four or
    three subdivisions as C9 falls to -1.1 and -1.5, and its predictions jump by 2e-4 and 3e-4.
    """

    def __init__(self) -> None:
        self.nodes, self.weights = _kronrod()
        self.found: dict[tuple, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.rules: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
        self.memory: dict = {}
        self.key: tuple = ()
        self.depth = self.count = 0
        self.integrals: list[float] = []

    def evaluate(self, name: str | tuple, par: dict, wc: Any) -> tuple[Any, list[float]]:
        """Value of an observable and the integrals behind it."""
        self.key, self.count, self.integrals = (name,), 0, []
        value = _predict(name, par, wc)
        return value, self.integrals

    def forget(self) -> None:
        """Forget amplitudes: to be called when parameters or coefficients change."""
        self.memory.clear()

    def settle(self) -> None:
        """Take the mean of the rules found so far: integrals are linear from now on."""
        for key, found in self.found.items():
            nodes, weights = (np.concatenate(x) for x in zip(*found, strict=True))
            nodes, where = np.unique(nodes, return_inverse=True)
            self.rules[key] = nodes, np.bincount(where, weights) / len(found)

    def _integrate(self, function, a, b, epsrel=0.005, **kwargs):
        from scipy.integrate import quad

        key = (*self.key, self.count)
        self.count += 1
        if key in self.rules:
            nodes, weights = self.rules[key]
            return float(weights @ np.array([function(x) for x in nodes]))
        result, _, info = quad(function, a, b, epsabs=0, epsrel=epsrel, full_output=1)[:3]
        last = info["last"]
        low, high = info["alist"][:last, None], info["blist"][:last, None]
        half = (high - low) / 2
        nodes = ((low + high) / 2 + half * self.nodes).ravel()
        weights = (half * self.weights).ravel()
        # quad extrapolates from its subdivisions, by 2e-4 where a threshold is inside
        ratio = result / float(weights @ np.array([function(x) for x in nodes]))
        weights *= ratio if abs(ratio - 1) < 1e-2 else 1.0
        self.found.setdefault(key, []).append((nodes, weights))
        return result

    def _outermost(self, function: Callable) -> Callable:
        def wrapped(*args, **kwargs):
            self.depth += 1
            try:
                value = function(*args, **kwargs)
            finally:
                self.depth -= 1
            if self.depth == 0:
                self.integrals.append(value)
            return value

        return wrapped

    @contextlib.contextmanager
    def installed(self) -> Iterator[_Tracer]:
        """Replace flavio's integration, and share amplitudes between observables."""
        import flavio
        from flavio.physics.bdecays.bvll import observables

        pole = self._outermost(observables.nintegrate_pole)
        replaced = [
            (flavio.math.integrate, "nintegrate", self._outermost(self._integrate)),
            (observables, "nintegrate_pole", pole),
        ]
        with predicting.replaced(replaced), predicting.shared_amplitudes(self.memory):
            yield self


def _denominators() -> dict[str, Callable]:
    """Observables without integrals that are ratios: a factor that makes them bilinear."""
    from flavio.physics.bdecays import bvgamma

    def phi_gamma(par: dict, wc: Any) -> float:
        return bvgamma.BR(wc, par, "Bs", "phi")

    return {
        "tau_mumu": lambda par, wc: _predict("BR(Bs->mumu)", par, wc),
        "ADeltaGamma(Bs->phigamma)": phi_gamma,
        "S_phigamma": phi_gamma,
        "BR(B0->K*gamma)/BR(Bs->phigamma)": lambda par, wc: _predict("BR(Bs->phigamma)", par, wc),
    }


def _fractions(value: float, integrals: list[float]) -> list[tuple[float, float, float]]:
    """An observable as a sum of N / sqrt(D1 D2), from the integrals behind it.

    flavio's binned observables are an integral, a ratio of two, N / (2 sqrt(-A B)) of three, or the
    difference of two of the latter; a constant factor is found by comparison with the value.
    """

    def pprime(n: float, a: float, b: float) -> tuple[float, float, float]:
        return n, -4 * a, b

    if len(integrals) == 0:
        fractions = [(value, 1.0, 1.0)]
    elif len(integrals) == 1:
        fractions = [(integrals[0], 1.0, 1.0)]
    elif len(integrals) == 2:
        fractions = [(integrals[0], integrals[1], integrals[1])]
    elif len(integrals) == 3:
        fractions = [pprime(*integrals)]
    elif len(integrals) == 6:
        n, a, b = pprime(*integrals[3:])
        fractions = [pprime(*integrals[:3]), (-n, a, b)]
    else:
        raise _unfit(f"an observable from {len(integrals)} integrals")
    return fractions


class _Sample:
    """One prescribed point behind the b → q ports: CKM elements and rescaled coefficients.

    Parameters
    ----------
    par : dict
        flavio parameters including the CKM elements.
    c : ndarray, shape (4,)
        C9, C10, C9', C10' times λ_t / |λ_t|.
    mixing : complex
        New physics in M12 of the B_s, relative to the SM.
    sectors, leptons
        Where the coefficients are switched on.
    """

    def __init__(
        self,
        par: dict,
        c: np.ndarray,
        mixing: complex = 0,
        sectors: tuple[str, ...] = ("sb", "db"),
        leptons: tuple[str, ...] = compiled.LEPTONS,
    ) -> None:
        import flavio

        self.par, values, self.c = par, {}, c
        ckm = np.array([[par[name] for name in CKM]])
        self.factors = compiled.decay_factors(ckm)
        for sector in sectors:
            q = sector[0]
            lam = self.factors["none"].top[compiled.QUARKS.index(q), 0]
            size = c * abs(lam)
            values[sector] = {
                f"{name}_b{q}{lepton}{lepton}": complex(x / lam)
                for lepton in leptons
                for name, x in zip(compiled.COEFFICIENTS, size, strict=True)
            }
        reference = flavio.WilsonCoefficients()
        if mixing:
            m12 = flavio.physics.mesonmixing.observables.get_M12_G12(reference, par, "Bs")[0]
            element = flavio.physics.mesonmixing.amplitude.matrixelements(par, "Bs")["CVLL"]
            values["sbsb"] = {"CVLL_bsbs": complex(-mixing * m12 / element)}
        self.values = values
        self.wc = _answering(values)
        qp = flavio.physics.mesonmixing.observables.q_over_p(self.wc, par, "Bs")
        self.phases = compiled.mixing_phases(self.factors["ckm"].top[0], qp)

    def features(self, q: str, phase: str) -> np.ndarray:
        """Monomials of the bilinear forms."""
        row = compiled.QUARKS.index(q)
        mean, own = self.factors["none"].top[row], self.factors[phase]
        top, up = own.top[row], own.up[row]
        c = self.c * abs(mean) * top / mean
        return compiled.forms_of(top, up, c[:, None], self.phases.get(phase))[:, 0]


class _Traced:
    """Observables of b → q as flavio computes them, number by number.

    Each is a sum of fractions n / sqrt(a b) of integrals, times a factor that is the same for all
    samples.
    """

    def __init__(self, observables: list) -> None:
        self.observables, self.tracer = observables, _Tracer()
        self._denominators = _denominators()

    def __call__(self, sample: _Sample) -> list[list[tuple[float, float, float, float]]]:
        """By observable, the fractions at a sample: n, a, b and the factor."""
        self.tracer.forget()
        result = []
        for name in self.observables:
            sample.wc.ports.clear()
            value, integrals = self.tracer.evaluate(name, sample.par, sample.wc)
            if name in self._denominators:
                d = self._denominators[name](sample.par, sample.wc)
                fractions = [(value * d, d, d)]
            else:
                fractions = _fractions(value, integrals)
            total = sum(n / np.sqrt(a * b) for n, a, b in fractions)
            factor = value / total if total else 1.0
            result.append([(n * factor, a, b, factor) for n, a, b in fractions])
        return result

    def ports(self, reference: _Sample) -> list[Port]:
        """Where each observable reads its coefficients."""
        result = []
        for name in self.observables:
            wc = _answering(reference.values)
            self.tracer.forget()  # remembered amplitudes would hide what is read
            self.tracer.evaluate(name, reference.par, wc)
            result.append(next(p for p in wc.ports if p.sector in compiled.B_TO_Q))
        return result


def _random_sample(rng: np.random.Generator, par0: dict, mixing: bool) -> _Sample:
    """CKM elements, coefficients and, if it counts, a mixing amplitude at random."""
    par = par0 | {
        "gamma": rng.uniform(0.02, 1.56),
        "Vus": par0["Vus"] * rng.uniform(0.98, 1.02),
        "Vcb": par0["Vcb"] * rng.uniform(0.95, 1.05),
        "Vub": par0["Vub"] * rng.uniform(0.8, 1.2),
    }
    c = rng.uniform(-2, 2, 4) + 1j * rng.uniform(-2, 2, 4)
    radius, angle = rng.uniform(0.2, 2.0), rng.uniform(0, 2 * np.pi)
    return _Sample(par, c, radius * np.exp(1j * angle) if mixing else 0)


class _Primitives:
    """Bilinear forms fitted to what observables were at samples, each different one once.

    Parameters
    ----------
    traced : _Traced
    ports : list of Port
        Of each observable.
    samples : list of _Sample
    data : list
        What `traced` gives at the samples.
    off : list
        The same without any coefficient.
    alone : dict
        By lepton, the same with its coefficients alone.
    mixing : bool
        Whether the phase of meson mixing may count.
    progress : callable
    """

    def __init__(
        self,
        traced: _Traced,
        ports: list[Port],
        samples: list[_Sample],
        data: list,
        off: list,
        alone: dict[str, list],
        mixing: bool,
        progress: Callable[[str], None],
    ) -> None:
        self.found: list[dict] = []
        self._seen: list[np.ndarray] = []
        self._observables, self._ports, self._progress = traced.observables, ports, progress
        self._samples, self._data, self._off, self._alone = samples, data, off, alone
        self._phases = ("none", *samples[0].phases) if mixing else ("none",)
        # inclusive decays are normalised to B → X_c e ν
        vcb = _parameters()["Vcb"]
        self._vcb = np.array([s.par["Vcb"] / vcb for s in samples])
        self._train = np.ones(len(samples), bool)
        self._train[:: max(len(samples) // 10, 2)] = False
        self._matrices: dict[tuple[str, str], np.ndarray] = {}

    def factors(self, i: int, t: int) -> np.ndarray:
        """The factor of a fraction of an observable at the samples."""
        return np.array([d[i][t][3] for d in self._data])

    def number(self, i: int, t: int, slot: int) -> int:
        """The number of the form of an integral; -1 for what is always 1.

        Raises
        ------
        malaphoric.schema.ConfigurationError
            If it depends on the coefficients of two leptons, or is not bilinear.
        """
        y = np.array([d[i][t][slot] for d in self._data])
        if np.all(y == 1.0):
            return -1
        for number, seen in enumerate(self._seen):
            if np.allclose(y, seen, rtol=1e-10, atol=0):
                return number
        lepton = self._lepton(i, t, slot)
        form, error, phase, vcb = self._fitted(i, y)
        if error > _BILINEAR:
            raise _unfit(f"{self._observables[i]}: not bilinear, relative error {error:.1e}")
        if error > 1e-5:
            self._progress(f"{self._observables[i]}: bilinear up to {error:.1e}")
        self._seen.append(y)
        self.found.append(
            {
                "port": self._ports[i],
                "lepton": lepton,
                "phase": phase,
                "vcb": vcb,
                "form": form,
                "error": error,
            }
        )
        return len(self.found) - 1

    def _lepton(self, i: int, t: int, slot: int) -> str:
        """The lepton whose coefficients an integral depends on; the muon if none."""
        reference = self._off[i][t][slot]
        moved = [
            lepton
            for lepton in compiled.LEPTONS
            if abs(self._alone[lepton][i][t][slot] - reference) > 1e-12 * abs(reference)
        ]
        if len(moved) > 1:
            raise _unfit(f"{self._observables[i]}: depends on {moved}")
        return moved[0] if moved else "mu"

    def _fitted(self, i: int, y: np.ndarray) -> tuple[np.ndarray, float, str, int]:
        """Form, error, phase and power of V_cb that describe an integral at all samples."""
        q, error = self._ports[i].sector[0], np.inf
        if not (np.isfinite(y).all() and y.any()):
            raise ConfigurationError(
                f"{categories.observable_key(self._observables[i])}: flavio predicts nothing "
                "finite, or nothing but zero, as outside its phase space; accepted: another one"
            )
        for power, candidate in itertools.product((0, 2), self._phases):
            attempt = _fit(self._features(q, candidate), y * self._vcb**power, self._train)
            if attempt[1] < 0.1 * error:
                (form, error), phase, vcb = attempt, candidate, -power
            if error < 1e-5:
                break
        return form, error, phase, vcb

    def _features(self, q: str, phase: str) -> np.ndarray:
        if (q, phase) not in self._matrices:
            self._matrices[q, phase] = np.array([s.features(q, phase) for s in self._samples])
        return self._matrices[q, phase]


def _compile_b2q(observables: list, mixing: bool, progress: Callable[[str], None]) -> dict:
    """Bilinear forms of b → q observables, fitted and verified on held-out samples."""
    rng, par0, traced = np.random.default_rng(1), _parameters(), _Traced(observables)
    n_features = compiled.N_FORMS_MIXING if mixing else compiled.N_FORMS
    n_samples = int(1.25 * n_features) + 12
    with traced.tracer.installed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for c9 in _TYPICAL:
            reference = _Sample(par0, np.array([-c9, 0.02, 0.0, 0.0]), leptons=("mu",))
            base = traced(reference)
        traced.tracer.settle()
        ports = traced.ports(reference)
        # which lepton's coefficients a number depends on: switch on one at a time
        c = np.array([-0.4, 0.3, 0.1, -0.2])
        alone = {lepton: traced(_Sample(par0, c, leptons=(lepton,))) for lepton in compiled.LEPTONS}
        off = traced(_Sample(par0, 0 * c))
        slopes = _small_slopes(observables, ports, par0, traced.tracer, progress)
        samples, data = [], []
        for number in range(n_samples):
            samples.append(_random_sample(rng, par0, mixing))
            data.append(traced(samples[-1]))
            if number % 10 == 9:
                progress(f"{number + 1}/{n_samples} samples")
    primitives = _Primitives(traced, ports, samples, data, off, alone, mixing, progress)
    terms = []
    for i, name in enumerate(observables):
        for t in range(len(base[i])):
            factors = primitives.factors(i, t)
            if np.ptp(factors) > 1e-8 * abs(factors[0]):
                raise _unfit(f"{name}: not the expected function of its integrals")
            terms.append((i, *(primitives.number(i, t, slot) for slot in range(3))))
    found, width = primitives.found, compiled.N_FORMS_MIXING
    progress(f"{len(found)} forms, largest error {max(p['error'] for p in found):.1e}")
    return {
        "observables": categories.dump_observables(observables),
        "terms": np.array(terms),
        "forms": np.array([np.pad(p["form"], (0, width - p["form"].size)) for p in found]),
        "labels": json.dumps([[*p["port"], p["lepton"], p["phase"], p["vcb"]] for p in found]),
        "errors": np.array([p["error"] for p in found]),
        **slopes,
    }


def _small_slopes(
    observables: list,
    ports: list[Port],
    par: dict,
    tracer: _Tracer,
    progress: Callable[[str], None],
) -> dict:
    """Slopes in dipoles and scalars, in the Standard Model, by port."""
    result: dict = {}
    for port in sorted(set(ports)):
        columns = [i for i, own in enumerate(ports) if own == port]
        names = compiled.small(port.sector)
        slopes = np.zeros((2, len(names), len(columns)))
        for (part, unit), (k, name) in itertools.product(enumerate((1, 1j)), enumerate(names)):
            ends = []
            for step in (unit * _STEP, -unit * _STEP):
                tracer.forget()
                wc = _answering({port.sector: {name: step}})
                ends.append([_real(tracer.evaluate(observables[i], par, wc)[0]) for i in columns])
            slopes[part, k] = np.subtract(ends[0], ends[1]) / (2 * _STEP)
        key = f"ports/{port.label}"
        result |= {
            f"{key}/names": json.dumps(names),
            f"{key}/columns": np.array(columns),
            f"{key}/slopes": slopes,
        }
        progress(f"{port.label}: dipoles and scalars of {len(columns)} observables")
    return result


def _fit(features: np.ndarray, y: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, float]:
    """Least squares with scaled columns; error on the held-out rows, relative to the largest."""
    scale = np.abs(features).max(axis=0)
    scale[scale == 0] = 1
    top = np.abs(y).max()
    solution = np.linalg.lstsq(features[train] / scale, y[train] / top, rcond=1e-11)[0]
    error = np.abs(features[~train] / scale @ solution - y[~train] / top).max()
    return solution / scale * top, float(error)


# ------------------------------------------------------------------------------------- other parts


def _compile_taylor(observables: list, progress: Callable[[str], None]) -> dict:
    """Values at δ nodes, slopes in the coefficients of the ports, slopes in Vus, Vcb and Vub."""
    from wilson import wcxf

    par0 = _parameters()
    ports = _ports(observables)
    ckm = np.array([par0[name] for name in CKM])
    gammas = compiled.gamma_nodes(ckm, compiled.N_DELTA_BASE)

    def predicted(**moved: float) -> np.ndarray:
        return np.array([_real(_predict(o, par0 | moved, _answering())) for o in observables])

    ckm_slopes = np.zeros((3, len(observables)))
    for k, name in enumerate(CKM[:3]):
        step = 1e-4 * par0[name]
        high, low = (predicted(**{name: par0[name] + s}) for s in (step, -step))
        ckm_slopes[k] = (high - low) / (2 * step)
    result = {
        "observables": categories.dump_observables(observables),
        "base": np.array([predicted(gamma=g) for g in gammas]),
        "ckm_slopes": ckm_slopes,
        "parity": _parity(observables, par0),
    }
    nodes = compiled.gamma_nodes(ckm, compiled.N_DELTA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for port in sorted(set().union(*ports.values())):
            columns = [i for i, o in enumerate(observables) if port in ports[o]]
            names = sorted(wcxf.Basis[port.eft, port.basis].sectors[port.sector])
            if port.sector in compiled.B_TO_Q:
                names = compiled.small(port.sector)  # radiative: see `_RADIATIVE`
            own = [observables[i] for i in columns]
            slopes = _slopes(own, port.sector, names, [par0 | {"gamma": g} for g in nodes])
            used = np.abs(slopes).max(axis=(0, 1, 3)) > 0
            key = f"ports/{port.label}"
            result[f"{key}/names"] = json.dumps([n for n, u in zip(names, used, strict=True) if u])
            result[f"{key}/columns"] = np.array(columns)
            result[f"{key}/slopes"] = slopes[:, :, used]
            if port.sector in _SQUARED:
                result[f"{key}/quadratic"] = _second_derivatives(
                    own,
                    port.sector,
                    [n for n, u in zip(names, used, strict=True) if u],
                    [par0 | {"gamma": g} for g in nodes],
                )
            progress(f"{port.label}: {used.sum()} coefficients, {len(columns)} observables")
    return result


def _slopes(observables: list, sector: str, names: list[str], pars: list[dict]) -> np.ndarray:
    """Slopes in real and imaginary parts of coefficients, (2, n_pars, n_names, n_observables)."""
    step = _STEPS.get(sector, _STEP)
    result = np.zeros((2, len(pars), len(names), len(observables)))
    for (part, unit), (j, par), (k, name) in itertools.product(
        enumerate((1, 1j)), enumerate(pars), enumerate(names)
    ):
        for n, observable in enumerate(observables):
            high, low = (
                _real(_predict(observable, par, _answering({sector: {name: s}})))
                for s in (unit * step, -unit * step)
            )
            result[part, j, k, n] = (high - low) / (2 * step)
    return result


def _second_derivatives(
    observables: list, sector: str, names: list[str], parameters: list[dict]
) -> np.ndarray:
    """Second order in real and imaginary parts of coefficients, at several CKM phases.

    Returns
    -------
    ndarray, shape (n_parameters, 2 n_names, 2 n_names, n_observables)
        Symmetric in the second and third.
    """
    step = _STEPS.get(sector, _STEP)
    parts = [(name, unit) for unit in (1, 1j) for name in names]
    result = np.zeros((len(parameters), len(parts), len(parts), len(observables)))

    def predict(par: dict, *moved: tuple[str, complex]) -> np.ndarray:
        values: dict = {}
        for name, unit in moved:
            values[name] = values.get(name, 0) + unit * step
        wc = _answering({sector: values})
        return np.array([_real(_predict(o, par, wc)) for o in observables])

    for par, own in zip(parameters, result, strict=True):
        plus = [predict(par, part) for part in parts]
        minus = [predict(par, (name, -unit)) for name, unit in parts]
        both = partial(predict, par)
        own[:] = _second_order(predict(par), plus, minus, both, parts, step)
    return result


def _second_order(
    base: np.ndarray,
    plus: Sequence[np.ndarray],
    minus: Sequence[np.ndarray],
    both: Callable[[Any, Any], np.ndarray],
    moved: Sequence,
    step: float,
) -> np.ndarray:
    """Second order of a Taylor expansion, symmetric, shape (n_moved, n_moved, n_observables).

    From predictions at the origin, one step up and down, and two of what is moved a step up.
    """
    result = np.zeros((len(moved), len(moved), base.size))
    for i, first in enumerate(moved):
        result[i, i] = (plus[i] + minus[i] - 2 * base) / (2 * step**2)
        for j, second in enumerate(moved[:i]):
            mixed = both(first, second) - plus[i] - plus[j] + base
            result[i, j] = result[j, i] = mixed / (2 * step**2)
    return result


def _parity(observables: list, par: dict) -> np.ndarray:
    """Sign of each observable under δ → -δ (ckmutil's δ is off by π where γ exceeds π/2)."""
    ckm = np.array([par[name] for name in CKM])
    gammas = [compiled.gamma_of_delta(delta, ckm) for delta in (0.7, np.pi - 0.7)]
    wc = _answering()
    values = [[_real(_predict(o, par | {"gamma": g}, wc)) for o in observables] for g in gammas]
    return np.where(np.multiply(values[0], values[1]) < 0, -1.0, 1.0)


def _real(value: complex) -> float:
    return float(np.real(value))


def _compile_electroweak(observables: list, progress: Callable[[str], None]) -> dict:
    """Second-order Taylor expansion in the coefficients at m_Z."""
    par = _parameters()
    asked: set[str] = set()
    ports: set[Port] = set()

    def predict(values: dict[str, float]) -> np.ndarray:
        wc = _answering({"all": values})
        result = []
        for name in observables:
            result.append(_real(_predict(name, par, wc)))
        asked.update(wc.asked)
        ports.update(wc.ports)
        return np.array(result)

    h = _STEP_EW
    base = predict({})
    names = sorted(asked)
    single = {s: np.array([predict({n: s * h}) for n in names]) for s in (1, -1)}
    used = np.abs(single[1] - base).max(axis=1) > 0
    names = [n for n, u in zip(names, used, strict=True) if u]
    plus, minus = single[1][used], single[-1][used]
    linear = (plus - minus) / (2 * h)
    quadratic = _second_order(
        base, plus, minus, lambda first, second: predict({first: h, second: h}), names, h
    )
    if len(ports) != 1:
        raise _unfit(f"electroweak observables read several ports: {ports}")
    progress(f"{len(names)} coefficients")
    return {
        "observables": categories.dump_observables(observables),
        "port": json.dumps(ports.pop()),
        "names": json.dumps(names),
        "base": base,
        "linear": linear,
        "quadratic": quadratic,
    }


def _compile_ckm(progress: Callable[[str], None]) -> dict:
    """The CKM scheme of smelli, and M12 and Γ12 of B_s and B0."""
    from wilson import wcxf

    gl = categories.global_likelihood()
    scheme, par = gl._ckm_scheme, _parameters()
    if scheme.observables != [
        "RKpi(P+->munu)",
        "BR(B->Xcenu)",
        "BR(B+->taunu)",
        "DeltaM_d/DeltaM_s",
    ]:
        raise _unfit(f"smelli's CKM scheme: {scheme.observables}")
    experiment = scheme.exp_measurements()
    ckm = {name: par[name] for name in CKM}
    tree = scheme.observables[:3]

    def without_ckm(wc: Any) -> np.ndarray:
        return np.array([_real(x) for x in scheme.np_predictions_nockm(wc, **ckm)[:3]])

    result: dict[str, Any] = {
        "initial": np.array([scheme.ckm_initial[name] for name in CKM]),
        "sm": np.array([par[name] for name in CKM]),
        "experiment": np.array([experiment[o].central_value for o in scheme.observables]),
        "without_ckm": without_ckm(_answering()),
    }
    for port in sorted(set().union(*_ports(tree).values())):
        names = sorted(wcxf.Basis[port.eft, port.basis].sectors[port.sector])
        slopes = np.array(
            [
                [
                    without_ckm(_answering({port.sector: {n: unit * _STEP}}))
                    - without_ckm(_answering({port.sector: {n: -unit * _STEP}}))
                    for n in names
                ]
                for unit in (1, 1j)
            ]
        ) / (2 * _STEP)
        result[f"ports/{port.label}/names"] = json.dumps(names)
        result[f"ports/{port.label}/slopes"] = slopes
    for row, meson in enumerate(("Bs", "B0")):
        result |= {f"mixing/{meson}/{key}": x for key, x in _meson_mixing(row, meson, par).items()}
    progress("done")
    return result


def _meson_mixing(row: int, meson: str, par: dict) -> dict:
    """M12 and Γ12 of B_s or B0: port, coefficients, and the Standard Model over λ_t²."""
    import flavio
    from flavio.physics.mesonmixing import amplitude
    from wilson import wcxf

    def over_top(par: dict) -> complex:
        ckm = np.array([[par[name] for name in CKM]])
        top = compiled.ckm_factors(ckm, compiled.ckm_delta(ckm)).top[row, 0]
        return amplitude.M12_d_SM(par, meson) / complex(top) ** 2

    sm = over_top(par)
    if abs(over_top(par | {"gamma": par["gamma"] - 1}) / sm - 1) > 1e-9:
        raise _unfit(f"M12 of {meson} is not proportional to λ_t²")
    wc = _answering()
    flavio.physics.mesonmixing.observables.get_M12_G12(wc, par, meson)
    (port,) = wc.ports
    names = sorted(wcxf.Basis[port.eft, port.basis].sectors[port.sector])
    unit = [amplitude.M12(par, {n: 1.0}, meson) - amplitude.M12(par, {}, meson) for n in names]
    return {
        "port": json.dumps(port),
        "names": json.dumps(names),
        "elements": np.real(unit),
        "sm": np.array([sm.real, sm.imag]),
        "gamma12": 1e-4 * np.array([par[f"Gamma12_{meson}_c"], par[f"Gamma12_{meson}_a"]]),
    }


# --------------------------------------------------------------------------------------- the table


def compile_part(part: str, progress: Callable[[str], None] = lambda _: None) -> dict:
    """Compute one part of the table from the installed flavio and smelli.

    Parameters
    ----------
    part : str
        One of `PARTS`; they are independent of each other and can run in parallel.
    progress : callable, optional
        Called with a line of text now and then.

    Returns
    -------
    dict of str to ndarray or str
        Arrays and JSON texts, by path inside the part's group of the HDF5 file.
    """
    if part not in PARTS:
        raise ValueError(f"part: {part!r}; accepted: {', '.join(PARTS)}")
    if part == "ckm":
        return _compile_ckm(progress)
    by_category = categories.observables_by_category()
    observables = [name for c in categories.SMELLI for name in by_category[c]]
    return _compile(part, _groups(observables)[part], progress)


def _compile(part: str, observables: list, progress: Callable[[str], None]) -> dict:
    """One part of the table for some observables."""
    if part.startswith("b2q"):
        return _compile_b2q(observables, part == "b2q-mixing", progress)
    if part == "taylor":
        return _compile_taylor(observables, progress)
    return _compile_electroweak(observables, progress)


def save_part(part: str, content: dict, path: str | Path) -> None:
    """Write one part to an HDF5 file of its own, to be put together by `assemble`."""
    with store.create(path, content=f"malaphoric table part {part}") as file:
        _write(file, content)


def load_part(path: str | Path) -> dict:
    """Read what `save_part` wrote."""
    with store.read(path) as file:
        return compiled.read_tree(file)


def assemble(parts: dict[str, dict], path: str | Path) -> None:
    """Write the table.

    Parameters
    ----------
    parts : dict of str to dict
        What `compile_part` returned, for all `PARTS`.
    path : path
        HDF5 file to write.
    """
    if missing := set(PARTS) - set(parts):
        raise ValueError(f"parts of the table are missing: {', '.join(sorted(missing))}")

    _save_table(parts, categories.observables(), predicting.standard_model(), path)


def compile_extra(
    observables: list, path: str | Path, progress: Callable[[str], None] = lambda _: None
) -> None:
    """Compile a table of additional observables, and nothing else.

    Parameters
    ----------
    observables : list
        flavio observables that the package's table lacks.
    path : path
        HDF5 file to write; `compiled.Table.load` reads it.
    progress : callable, optional
    """
    lep2.register()
    parts = {"ckm": compiled.Table.load().parts["ckm"]}
    for part, names in _groups(observables).items():
        if names:
            progress(f"{part}: {', '.join(map(categories.observable_key, names))}")
            parts[part] = _compile(part, names, progress)
    _save_table(parts, observables, predicting.standard_model(observables), path)


def write_names(path: str | Path) -> None:
    """Write the names that flavio and smelli know, for checks before any job (JSON)."""
    import flavio

    lep2.register()
    by_category = categories.observables_by_category()
    measurements = {"LEP2": list(lep2.MEASUREMENTS)}
    for category in categories.SMELLI:
        likelihood = categories.smelli_likelihood(category)
        data = getattr(likelihood, "full_measurement_likelihood", None)
        data = data or likelihood.measurement_likelihood
        measurements[category] = sorted(data.get_measurements)
    names = {
        "arguments": {
            name: flavio.Observable[name].arguments or [] for name in flavio.Observable.instances
        },
        "observables": by_category,
        "measurements": measurements,
        "all_measurements": sorted(flavio.Measurement.instances),
    }
    store.write_text(path, store.canonical(names) + "\n")


def _save_table(
    parts: dict[str, dict], observables: list, sm: np.ndarray, path: str | Path
) -> None:
    with store.create(
        path,
        content=compiled.CONTENT,
        format=compiled.FORMAT,
        versions=store.versions(),
        observables=categories.dump_observables(observables),
        parameters=store.digest({k: float(v) for k, v in _parameters().items()}),
    ) as file:
        store.write_array(file, "sm", sm)
        for part in PARTS:
            if part in parts:
                _write(file.create_group(part), parts[part])


def _write(group: h5py.Group, content: dict) -> None:
    for name, value in content.items():
        if isinstance(value, str):
            value = np.frombuffer(value.encode(), dtype=np.uint8)
            store.write_array(group, name, value, text=True)
        else:
            store.write_array(group, name, value)
