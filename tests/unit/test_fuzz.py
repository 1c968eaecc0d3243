"""Fuzzing: whatever a configuration or model file says, it is used, or refused by name.

Truth, for every case: `ConfigurationError` is the only way out, its message names the file and a
key that was wrong, and what is accepted can be computed with. Nothing in a file is ever executed.
"""

import copy
import datetime
import re

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from malaphoric import Model
from malaphoric.data import overlays
from malaphoric.schema import ConfigurationError, load_yaml
from malaphoric.workflow.configuration import Configuration, load_configuration
from test_configuration import FULL, MINIMAL
from test_configuration import changed as changed_configuration
from test_model import VALID
from test_model import changed as changed_model

NAN, INF = float("nan"), float("inf")


def fuzz(examples):
    """Settings that give the same cases every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


# ---------------------------------------------------------------------------------- what must hold


def use_configuration(c):
    """What the workflow takes from a configuration before any job."""
    assert c.grid.size >= 1
    for axis in c.grid.axes:
        assert np.all(np.isfinite(axis))
        assert axis.size == 1 or np.all(np.diff(axis) > 0)
    chunks = c.chunks
    assert chunks[0][0] == 0
    assert chunks[-1][1] == c.grid.size
    assert c.validation_parts >= 2
    assert c.categories


def use_model(model):
    """What a scan takes from a model."""
    values = model.smeft(-0.9, 0.08, *[-0.17] * (len(model.parameters) - 2)).values()
    assert np.all(np.isfinite(list(values)))
    assert Model.from_dict({**VALID, **model.as_dict()}).charges == model.charges


def check(load, use, names=None):
    """Accepted and usable, or refused with one of the names in a message that can be printed."""
    try:
        loaded = load()
    except ConfigurationError as error:
        message = str(error)
        message.encode("utf-8")
        assert len(message) < 3000
        assert names is None or any(name in message for name in names), (names, message)
        return False
    use(loaded)
    return True


def shown(key):
    """A key as messages have it: as it is, escaped, or its size."""
    if isinstance(key, int) and key.bit_length() > 1024:
        return {f"key: an integer of {key.bit_length()} bits"}
    return {str(key), repr(key), repr(key)[:77]} if isinstance(key, str) else {repr(key)[:77]}


# -------------------------------------------------------------------------- values, keys and places

NASTY = [
    None, True, False, 0, 1, -1, 5, 5.0, 2000.0, 0.5, -0.0, 5e-324, 1e-12, 1e308, NAN, INF, -INF,
    10**40, 10**400, -(10**400),
    "", "a", "1", "1e3", "nan", "quarks", "exact", "b3-l2", "../b3-l2", "run.yaml", "a" * 300,
    "a\0b", "\ud800", "é\u202e\n", "__import__('os')", "{a}", "%s",
    b"bytes", datetime.date(2024, 1, 2), frozenset(), ("t",), [], [[]], [0.5], [0, 1], {}, {"a": 1},
    {1: 2}, {None: 0}, {"min": 0, "max": 1, "points": 2}, {"min": 0, "max": 0, "points": 1},
    [[[[[[[[0]]]]]]]], {"a": {"a": {"a": {"a": NAN}}}},
]  # fmt: skip

#: An integer that Python refuses to print.
TOO_LONG = 1 << 20000

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 40),
    st.floats(),
    st.floats(-2, 2),
    st.integers(1, 50).map(float),
    st.text(max_size=12),
    st.sampled_from([x for x in NASTY if not isinstance(x, (list, dict))]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["min", "max", "points", "seed", "draws", "X_H"])
            | st.text(max_size=4)
            | scalars,
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


def places(data, prefix=()):
    """Paths of all entries, at every depth."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, (dict, list)):
            yield from places(value, (*prefix, key))
        yield (*prefix, key)


CONFIGURATION_PLACES, MODEL_PLACES = list(places(FULL)), list(places(VALID))


@st.composite
def mutated(draw, bases, paths):
    """A mutated file's content, and the names of what was mutated."""
    data = copy.deepcopy(draw(st.sampled_from(bases)))
    names = set()
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        *parents, last = draw(st.sampled_from(paths))
        inner = data
        try:
            for key in parents:
                inner = inner[key]
            inner[last]
        except (KeyError, IndexError, TypeError):
            continue
        top = parents[0] if parents else last
        match draw(st.sampled_from(["replace"] * 8 + ["remove", "add"])):
            case "replace":
                inner[last] = draw(values)
                names |= {str(top)}
            case "remove":
                del inner[last]
                names |= {str(top), str(last)}
            case "add" if isinstance(inner, dict):
                key = draw(st.text(max_size=6) | scalars)
                inner[key] = draw(values)
                names |= {str(top), *shown(key)}
    assume(names)
    return data, names


# ---------------------------------------------------------------------------------- configurations


@pytest.mark.parametrize("place", CONFIGURATION_PLACES, ids=lambda p: ".".join(map(str, p)))
def test_nasty_value_in_a_configuration(place):
    """Every nasty value at every place."""
    for value in [*NASTY, TOO_LONG]:
        data = changed_configuration(place, value)
        check(lambda data=data: Configuration(data, "fuzz"), use_configuration, [str(place[0])])


@fuzz(1200)
@given(mutated([FULL, MINIMAL], CONFIGURATION_PLACES))
def test_mutated_configuration(case):
    """Random values, missing and unknown keys, at several places of a configuration."""
    data, names = case
    check(lambda: Configuration(data, "fuzz"), use_configuration, names)


# ------------------------------------------------------------------------------------------ models


@pytest.mark.parametrize("place", MODEL_PLACES, ids=lambda p: ".".join(map(str, p)))
def test_nasty_value_in_a_model(place):
    """Every nasty value at every place."""
    for value in [*NASTY, TOO_LONG]:
        data = changed_model(place, value)
        check(lambda data=data: Model.from_dict(data, "fuzz"), use_model, [str(place[0])])


@fuzz(800)
@given(mutated([VALID], MODEL_PLACES))
def test_mutated_model(case):
    """Random values, missing and unknown keys, at several places of a model."""
    data, names = case
    check(lambda: Model.from_dict(data, "fuzz"), use_model, names)


# ------------------------------------------------------------------------------------------- files

CONFIGURATION_TEXT = yaml.safe_dump(FULL, sort_keys=False)
MODEL_TEXT = yaml.safe_dump(VALID, sort_keys=False)

SNIPPETS = [
    "\t", "\0", "\x07", "\ufeff", "\u2028", "é", "'", '"', ":", ": ", "- ", "? ", "{", "}", "[",
    "]", "#", "|", ">", "%", "@", "`", "&a ", "*a", "<<: *a", "<<: {run: x}", "---\n", "...\n",
    "~", "!", "!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!timestamp ", "!!binary ",
    "!!set ", "!!omap ", "!!pairs ", "!!python/tuple ", "!!python/name:os.system ",
    "!!python/module:os ", "!!python/object/apply:os.abort []", "!!python/object/new:os.abort []",
    "!local ", ".nan", ".inf", "-.inf", "0x" + "f" * 6000, "9" * 5000, "1:2:3", "0b1", "1_0",
    "2024-13-45", "2024-01-01T99:99:99", "0001-01-01T00:00:00+23:59", '"\\ud800"', "[" * 200,
    "{a: " * 50, "null", "yes", "=", "run: x\n", "__use_yte__: true\n", "\n", "  ",
]  # fmt: skip


@st.composite
def scrambled(draw, text):
    """A file's text with lines lost, doubled or swapped, and things written anywhere."""
    lines = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(lines) - 1))
        j = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["insert"] * 5 + ["lose", "double", "swap", "cut"])):
            case "insert":
                at = draw(st.integers(0, len(lines[i])))
                after = lines[i].find(": ") + 2
                at = draw(st.sampled_from([at, after])) if after > 1 else at
                lines[i] = lines[i][:at] + draw(st.sampled_from(SNIPPETS)) + lines[i][at:]
            case "lose" if len(lines) > 1:
                del lines[i]
            case "double":
                lines.insert(j, lines[i])
            case "swap":
                lines[i], lines[j] = lines[j], lines[i]
            case "cut":
                lines[i] = lines[i][: draw(st.integers(0, len(lines[i])))]
    return "".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@fuzz(600)
@given(text=scrambled(CONFIGURATION_TEXT))
def test_scrambled_configuration_file(folder, text):
    """The message names the file, and a key or a line."""
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    check(lambda: load_configuration(path), use_configuration, [str(path), "model: "])


@fuzz(400)
@given(text=scrambled(MODEL_TEXT))
def test_scrambled_model_file(folder, text):
    """The message names the file, and a key or a line."""
    path = folder / "test-model.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    check(lambda: Model.load(path), use_model, [str(path)])


@fuzz(200)
@given(st.binary(max_size=200))
def test_bytes(folder, content):
    """Anything at all as a file: no configuration by chance."""
    path = folder / "run.yaml"
    path.write_bytes(content)
    assert not check(lambda: load_configuration(path), use_configuration, [str(path)])


@fuzz(200)
@given(mutated([FULL], CONFIGURATION_PLACES))
def test_what_python_would_dump(folder, case):
    """Python's own tags for tuples, sets and objects are refused, whatever they hold."""
    data, names = case
    try:
        text = yaml.dump(data)
        text.encode("utf-8")
    except (yaml.YAMLError, ValueError):  # nothing that a file could hold
        assume(False)
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    accepted = check(lambda: load_configuration(path), use_configuration, [*names, "line"])
    assert not accepted or "!!python" not in text


def bomb(levels=60):
    """Each list holds the one before nine times."""
    lists = ["a0: &a0 [x]"]
    lists += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lists)


def merge_bomb(levels=60):
    """Each mapping merges the one before twice."""
    maps = ["a0: &a0 {x: 1}"]
    maps += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(maps)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONFIGURATION_TEXT + "run: other\n", ["line", "'run' stands twice"]),
        (
            CONFIGURATION_TEXT.replace("    min: 0\n", "    min: 0\n    min: 0\n"),
            ["'min'", "twice"],
        ),
        (CONFIGURATION_TEXT.replace("M_X: 3000", "M_X: &m 3000\nx: *m"), ["line", "alias *m"]),
        (CONFIGURATION_TEXT + "x: &x [*x]\n", ["alias *x"]),
        (bomb(), ["line 2", "alias *a0"]),
        (merge_bomb(), ["line 2", "alias *a0"]),
        ("[" * 100_000, ["not valid YAML"]),
        ("a: " + "{a: " * 5000 + "}" * 5000, ["not valid YAML"]),
        ("parameters: {M_X: 0x" + "f" * 10_000 + "}", ["M_X", "an integer of 40000 bits"]),
        ("M_X: " + "9" * 10_000, ["line 1", "99999"]),
        ("run: 2024-13-45", ["line 1", "2024-13-45"]),
        ("run: !!timestamp word", ["line 1", "word"]),
        ("run: !!bool maybe", ["line 1", "maybe"]),
        ("run: !!int ''", ["line 1"]),
        ("__use_yte__: true\n" + CONFIGURATION_TEXT, ["unknown key __use_yte__"]),
        ("? [a, b]\n: 1", ["line 1", "unhashable"]),
        ("a: 1\n---\nb: 2", ["line 2"]),
    ],
    ids=lambda x: x[:12] + "..." + x[-12:] if isinstance(x, str) else "",
)
def test_known_tricks(folder, text, words):
    """The line or the key is named."""
    path = folder / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("load", [load_configuration, Model.load], ids=["configuration", "model"])
def test_what_is_no_file(folder, load):
    """Nothing there, a folder, an empty file: named."""
    (folder / "folder.yaml").mkdir(exist_ok=True)
    (folder / "empty.yaml").write_text("")
    for name in ("folder.yaml", "empty.yaml", "none.yaml"):
        with pytest.raises(ConfigurationError, match=re.escape(name)):
            load(folder / name)


@pytest.mark.parametrize(
    ("load", "most"),
    [(load_configuration, 100_000), (Model.load, 100_000), (overlays.read, 2_000_000)],
    ids=["configuration", "model", "overlay"],
)
def test_large_file(tmp_path, load, most):
    """100 MB, and a file without an end, of which no more is read than is accepted."""
    path = tmp_path / "large.yaml"
    with open(path, "wb") as file:
        file.truncate(10**8)
    with pytest.raises(ConfigurationError, match=f"too large; accepted: at most {most} bytes"):
        load(path)
    with pytest.raises(ConfigurationError, match=f"too large; accepted: at most {most} bytes"):
        load_yaml("/dev/zero", most)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:os.system ['touch {}']",
        "!!python/object/apply:subprocess.check_call [['touch', '{}']]",
        "!!python/name:os.system",
        "!!python/module:os",
        "?open('{}', 'w')",
    ],
)
@pytest.mark.parametrize("key", ["run", "model", "parameters", "observables_of_interest"])
def test_nothing_is_executed(folder, key, tag):
    """The command would leave a file behind."""
    proof = folder / "executed"
    path = folder / "run.yaml"
    text = yaml.safe_dump({k: v for k, v in FULL.items() if k != key})
    text += f"{key}: {tag.format(proof)}\n" + "__use_yte__: true\n" * tag.startswith("?")
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"could not determine a constructor|__use_yte__"):
        load_configuration(path)
    assert not proof.exists()
