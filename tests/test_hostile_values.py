"""Any value of any parameter, in Python, in TOML or in a saved fit, is taken or refused in one sentence."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import numpy as np
import pytest
from as_users_call import as_users_call
from hostile import POOL, TEXTS, assert_refusal, values
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_compile import quick_compile
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import stradiff
import stradiff.config
from stradiff import Dense, Diffusion, StrADiff, Training, serialization
from stradiff.cli.configuration import configured, read_configuration
from stradiff.config import Checkpoint, Laplace, defaults, table_of
from stradiff.errors import OptionError, StorageError, StrADiffError
from stradiff.model.devices import computing_on
from stradiff.model.mixing import MAPS
from stradiff.model.priors import PRIORS
from stradiff.parameters import plain
from stradiff.posterior import Separation
from stradiff.prepare import Request

RECORDS = {type(one).__name__: type(one) for one in [*MAPS.values(), *PRIORS.values()]} | vars(stradiff.config)
OF_RECORDS = [row.name.split(".") for row in defaults() if "." in row.name]
OF_RECORDS += [
    [outer.capitalize(), inner] for outer, _, inner in (row.name.partition("__") for row in defaults()) if inner
]
OF_ESTIMATOR = [
    name for name in StrADiff().get_params(deep=False) if name != "init"
]  # an array: tests of input have it


@pytest.fixture(scope="module", autouse=True)
def _quick_and_as_users_call():
    with quick_compile(), as_users_call():
        yield


def take(name, value):
    """The request of an estimator with a parameter, checked as ``fit`` checks it before it looks at data."""
    model = StrADiff(2, random_state=0).set_params(**{name: value})
    with computing_on(model.device):
        return Request.of(model.get_params(deep=False))


def make(kind, field, value):
    """A record with a field; as its print and its table have it, it is the same again."""
    required = {"path": "kept"} if kind == "Checkpoint" else {}
    record = RECORDS[kind](**required | {field: value})
    assert record.with_table(dict(record.items())) == record and hash(record) == hash(record.replace())
    if field != "callbacks":
        table = table_of(record)
        assert json.loads(json.dumps(table, allow_nan=False)) == json.loads(json.dumps(table))
    return record


def check_field(kind, field, value):
    try:
        make(kind, field, value)
    except OptionError as error:
        assert_refusal(error, field, *named_within(value))


def named_within(value):
    """What a refusal may name instead: of a table, the object that it stands for and its fields."""
    return [*RECORDS, *(field for _, field in OF_RECORDS)] if isinstance(value, dict | list | tuple) else []


def check_parameter(name, value):
    try:
        take(name, value)
    except OptionError as error:
        assert_refusal(error, name, *named_within(value))


@pytest.mark.parametrize(("kind", "field"), OF_RECORDS, ids=map(".".join, OF_RECORDS))
def test_every_field_of_a_record_takes_or_refuses_every_hostile_value(kind, field):
    for value in POOL:
        check_field(kind, field, value)


@pytest.mark.parametrize("name", OF_ESTIMATOR)
def test_every_parameter_takes_or_refuses_every_hostile_value(name):
    for value in POOL:
        check_parameter(name, value)


@settings(max_examples=600)
@given(st.sampled_from(OF_RECORDS), values)
def test_fields_take_or_refuse_any_value(where, value):
    check_field(*where, value)


@settings(max_examples=300)
@given(st.sampled_from(OF_ESTIMATOR), values)
def test_parameters_take_or_refuse_any_value(name, value):
    check_parameter(name, value)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(OF_ESTIMATOR), values, min_size=2, max_size=5))
def test_several_parameters_at_once(parameters):
    model = StrADiff(2)
    with contextlib.suppress(OptionError), computing_on("cpu"):
        Request.of(model.set_params(**parameters).get_params(deep=False))


EQUAL = [
    ("objective__nu_y", "Decimal('0.5')", 0.5),
    ("objective__nu_y", "Fraction(1, 2)", 0.5),
    ("objective__nu_y", "np.float16(0.5)", 0.5),
    ("objective__nu_y", "np.array(0.5)", 0.5),
    ("objective__nu_y", "np.longdouble(0.5)", 0.5),
    ("training__max_epochs", "Fraction(3)", 3),
    ("training__max_epochs", "Decimal(3)", 3),
    ("training__max_epochs", "np.array(3)", 3),
    ("training__max_epochs", "np.uint8(3)", 3),
    ("objective__standardise", "np.bool_(True)", True),
    ("diffusion__schedule", "np.str_('cosine')", "cosine"),
]


@pytest.mark.parametrize(("name", "text", "expected"), EQUAL)
def test_what_equals_a_plain_value_is_that_value(name, text, expected):
    from decimal import Decimal  # noqa: F401
    from fractions import Fraction  # noqa: F401

    value = eval(text)
    record, _, field = name.partition("__")
    taken = getattr(getattr(take(name, value).given, record), field)
    assert taken == expected and type(taken) is type(expected)


NOT_TAKEN = {
    "True as a seed": ("random_state", True),
    "a truth value of NumPy as a seed": ("random_state", np.bool_(True)),
    "text as callbacks": ("training__callbacks", ""),
    "text as verbosity": ("verbose", "yes"),
    "numbers as a device": ("device", np.array([1, 2])),
    "a path with a name too long": ("checkpoint", "rbf+" * 80),
    "a path with a zero": ("checkpoint", "a\0b"),
    "a path that cannot be encoded": ("checkpoint", "\ud800"),
    "a path of many folders": ("checkpoint", "a/" * 3000),
    "a variance beyond floats": ("objective__nu_y", 10**400),
    "a variance that single precision rounds to zero": ("objective__nu_y", 1e-60),
    "ages of training": ("training__max_epochs", 10**30),
    "a third": ("objective__nu_y", __import__("fractions").Fraction(1, 3)),
    "ages of restarts": ("n_restarts", 10**400),
    "a path of ages": ("diffusion__n_steps", 10**400),
    "a network that never compiles": ("diffusion__network", {"name": "dense", "depth": 10**6}),
    "channels beyond memory": ("diffusion__network", {"name": "convolutional", "channels": 10**9}),
    "a mixture of a multitude": ("prior", {"name": "gmm", "n_components": 10**9}),
}


@pytest.mark.parametrize(("name", "value"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_refused(name, value):
    with pytest.raises(OptionError) as caught:
        take(name, value)
    fields = value if isinstance(value, dict) else ()
    assert_refusal(caught.value, name.split("__")[-1], *fields)


@pytest.mark.parametrize("place", [".", "missing/kept", "below/a/file/kept"])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_fit(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("below").write_text("a file")
    recording = np.random.default_rng(0).standard_normal((60, 3))
    with pytest.raises(StrADiffError) as caught:
        StrADiff(2, random_state=0, checkpoint=place).fit(recording)
    assert_refusal(caught.value)


@pytest.mark.parametrize("value", [path for path in TEXTS if path not in ("auto", "linear", "rbf", " ", "a\nb")])
def test_places_of_files_are_taken_or_refused(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StrADiffError) as caught:
        StrADiff.load(value)
    assert_refusal(caught.value, path=value if len(str(value)) > 40 else "")


def test_arguments_of_a_fitted_model_are_taken_or_refused(fitted, monkeypatch):
    monkeypatch.setattr(Separation, "draws", lambda self, n_draws, seed: np.zeros((1, 60, 2)))
    for call, name in (
        (fitted.sample_sources, "n_draws"),
        (fitted.credible_interval, "level"),
        (fitted.reverse_path, "epoch"),
        (fitted.save, "path"),
        (lambda value: fitted.sample_sources(2, value), "random_state"),
    ):
        for value in POOL:
            if name == "path" and isinstance(value, str | Path):
                continue  # a place to write to
            try:
                call(value)
            except OptionError as error:
                assert_refusal(error, name)


# --- TOML ---------------------------------------------------------------------------------------------------------

TOML = [
    "true",
    "-1",
    "0",
    "3",
    "0.5",
    "3.0",
    "1e400",
    "-inf",
    "nan",
    "9" * 400,
    "9" * 5000,
    '""',
    '"auto"',
    '"a\\u0000b"',
]
TOML += ["[]", "[1]", "[true]", "[[[1]]]", '["rbf", 3]', "{}", '{name = "mlp"}', "{name = 3}", '{name = {name = "ar"}}']
TOML += [
    "2020-01-01",
    "12:00:00",
    "0x10",
    "1_000",
    '"\\ud800"',
    "'" + "a" * 5000 + "'",
    "[" * 3000,
    "{width = 3}",
    "yes",
]
NAMES = [*StrADiff().get_params(deep=False), "recording", "colour", "training__tol"]
FIELDS = [(row.name.partition("__")[::2]) for row in defaults() if "__" in row.name] + [("recording", "columns")]
ENTRIES = [*NAMES, *(f"[{table}]\n{field}" for table, field in FIELDS)]


def check_toml(path, text, *names):
    path.write_text(text, encoding="utf-8")
    try:
        parameters, _ = read_configuration(path)
        Request.of(configured(parameters).get_params(deep=False))
    except StrADiffError as error:
        assert_refusal(error, *names, "cannot be read as a configuration in TOML", path=path)


@settings(max_examples=400)
@given(st.sampled_from(ENTRIES), st.sampled_from(TOML))
def test_entries_of_a_configuration_file_are_taken_or_refused(tmp_path_factory, entry, value):
    known = [field for _, field in OF_RECORDS] + [*RECORDS, "mixing", "prior"]
    path = tmp_path_factory.getbasetemp() / "configuration.toml"
    check_toml(path, f"{entry} = {value}\n", entry.split()[-1], entry.strip("[").split("]")[0], *known)


@settings(max_examples=100)
@given(st.text(alphabet=st.sampled_from("[]{}=\"'\\\n #.,truenamixg0123456789e-+_"), max_size=60))
def test_any_text_is_a_configuration_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(StrADiffError):
        Request.of(configured(read_configuration(path)[0]).get_params(deep=False))


# --- saved fits ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    recording = np.random.default_rng(0).standard_normal((60, 3)).cumsum(axis=0)
    model = StrADiff(
        2,
        prior="matern32",
        diffusion=Diffusion(n_steps=2, network=Dense(width=4, depth=1)),
        training=Training(max_epochs=2, tol=0.0),
        uncertainty=Laplace(n_draws=3),
        random_state=0,
        verbose=False,
    )
    return model.fit(recording)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "fit.stradiff"
    fitted.save(path)
    return path


JSON = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.5,
    1e30,
    1e308,
    10**30,
    10**400,
    "",
    "auto",
    "a" * 5000,
    [],
    [1],
    [True],
    {},
]
JSON += [{"name": "mlp"}, [[]], "1", [None], 3]


def places(table, at=()):
    """The way to every entry of nested tables and lists."""
    items = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    return [way for key, value in items for way in [(*at, key), *places(value, (*at, key))]]


def replaced(table, way, value):
    changed = copy.deepcopy(table)
    *outer, last = way
    inner = changed
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return changed


# A field of these may be of another type, or any number: it is for people, or there is a default.
LOOSE = ("versions", "restarts", "parameters", "configuration", "priors", "sentence", "kind", "device", "device_kind")


def is_loose(way):
    return any(key in LOOSE for key in way)


def test_every_field_of_a_header_of_another_type_is_refused(saved, monkeypatch):
    table, arrays = serialization.read(saved, "stradiff fit 2", "")
    for way in places(table):
        if is_loose(way) or way == ("kind",):
            continue
        before = table
        for key in way:
            before = before[key]
        for value in JSON:
            if type(value) is type(before) or (value is None and before is None):
                continue
            optional = way[-1] in ("feature_names", "reach") and value in (None, [], [1])
            is_number = isinstance(before, float) and type(value) is int and abs(value) < 10**300
            if optional or is_number:
                continue
            changed = replaced(table, way, value)
            monkeypatch.setattr(serialization, "read", lambda *_, changed=changed: (changed, arrays))
            with pytest.raises(StorageError) as caught:
                pytest.fail(f"{way}={value!r} is taken for {before!r}") if StrADiff.load(saved) else None
            assert_refusal(caught.value, path=saved)


def test_every_field_of_a_header_is_taken_or_refused(saved, monkeypatch):
    table, arrays = serialization.read(saved, "stradiff fit 2", "")
    ways, rng = [way for way in places(table) if is_loose(way)], np.random.default_rng(0)
    for _ in range(80):
        changed = replaced(table, ways[rng.integers(len(ways))], JSON[rng.integers(len(JSON))])
        monkeypatch.setattr(serialization, "read", lambda *_, changed=changed: (changed, arrays))
        try:
            StrADiff.load(saved)
        except StorageError as error:
            assert_refusal(error, path=saved)


WRITTEN = {
    "a key twice": ('"seed": ', '"seed": 1, "seed": '),
    "not a number": ('"span": 59.0', '"span": NaN'),
    "infinity": ('"span": 59.0', '"span": Infinity'),
    "beyond floats": ('"span": 59.0', '"span": 1e400'),
    "no JSON": ('"span": 59.0', '"span": 59.0,,'),
}


@pytest.mark.parametrize(("old", "new"), WRITTEN.values(), ids=WRITTEN)
def test_a_header_that_is_not_as_it_was_written_is_refused(saved, tmp_path, old, new):
    with safe_open(saved, framework="numpy") as file:
        text = file.metadata()["stradiff"]
    assert old in text
    path = tmp_path / "fit.stradiff"
    save_file(load_file(saved), path, metadata={"stradiff": text.replace(old, new, 1)})
    with pytest.raises(StorageError, match="damaged") as caught:
        StrADiff.load(path)
    assert_refusal(caught.value)


def test_plain_values_are_what_they_were():
    for value in (3, 0.5, "a", None, True, (1, (2,))):
        assert plain(value) is value or plain(value) == value
    assert plain([np.float64(0.5), [np.int64(3)]]) == (0.5, (3,))
    assert Checkpoint(np.str_("kept")).path == "kept"
