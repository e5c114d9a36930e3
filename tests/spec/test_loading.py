"""Where studies are found, and that those which ship are sound."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.spec.conftest import MINIMAL
from xrt.errors import SpecError
from xrt.robust.methods import METHODS
from xrt.spec import StudySpec, known_studies, load_study
from xrt.spec.loading import SHIPPED

NUMBERS = st.floats(1e-6, 1e6)
RANGES = st.tuples(
    st.sampled_from(["log", "uniform"]), st.tuples(NUMBERS, NUMBERS).filter(lambda r: r[0] < r[1])
)
FLOATS = (
    NUMBERS
    | st.lists(NUMBERS, min_size=1, max_size=3, unique=True)
    | RANGES.map(lambda r: {r[0]: list(r[1])})
)
WHOLES = st.integers(1, 99) | st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)
SITES = st.just("word") | st.integers(1, 24).map(lambda k: {"layer": k})
ENCODERS = st.text(min_size=1, max_size=12).filter(lambda e: e == e.strip() and "\0" not in e) | st.just(
    "1e5"
)
METHOD = {
    "plain": st.just({}),
    "adversarial": st.fixed_dictionaries({"radius": FLOATS}, optional={"steps": WHOLES, "site": SITES}),
    "noise": st.fixed_dictionaries({"scale": FLOATS}, optional={"site": SITES}),
    "synonyms": st.fixed_dictionaries({}, optional={"copies": WHOLES | st.just({"int": [1, 5]})}),
    "free": st.fixed_dictionaries({"radius": FLOATS, "steps": WHOLES}),
}
OWN_TASK = {"name": "mine", "languages": ["no", "de"], "labels": ["0", "1e5"], "source": "no"}
SPECS = st.fixed_dictionaries(
    {
        "study": st.just("s"),
        "task": st.sampled_from(["pawsx", "xnli", "mini", OWN_TASK]),
        "data": st.fixed_dictionaries({"source": st.just("folder"), "path": ENCODERS}),
        "space": st.fixed_dictionaries(
            {
                "encoder": ENCODERS | st.lists(ENCODERS, min_size=1, max_size=3, unique=True),
                "learning_rate": FLOATS,
                "method": st.sets(st.sampled_from(list(METHOD)), min_size=1).flatmap(
                    lambda names: st.fixed_dictionaries({n: METHOD[n] for n in sorted(names)})
                ),
            }
        ),
    },
    optional={
        "training": st.fixed_dictionaries(
            {}, optional={"epochs": NUMBERS, "dropout": st.none() | st.floats(0, 0.9)}
        ),
        # Never fewer than there are arms: 3 encoders by 5 methods.
        "search": st.fixed_dictionaries({"trials": st.integers(15, 999)}, optional={"concurrent": st.none()}),
        "compare": st.sampled_from([["method"], ["encoder", "method"]]),
        "pruning": st.none() | st.fixed_dictionaries({"rungs": st.integers(1, 5)}),
        "confirm": st.none() | st.fixed_dictionaries({"seeds": st.integers(2, 9) | st.just([3, 10])}),
        "resources": st.fixed_dictionaries({"gpu": st.just("auto") | st.floats(0, 1)}),
    },
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SPECS)
def test_a_spec_written_as_yaml_loads_as_an_equal_spec(raw: dict[str, object]) -> None:
    spec = StudySpec.model_validate(raw)
    Path("written.yaml").write_text(spec.to_yaml(), encoding="utf-8")
    again = load_study("written.yaml")
    assert again == spec
    assert again.to_yaml() == spec.to_yaml()


def test_the_strategy_of_specs_covers_every_method() -> None:
    assert METHOD.keys() == METHODS.keys()


def test_the_shipped_studies_are_sound_and_open_with_command_question_and_cost() -> None:
    files = sorted(SHIPPED.rglob("*.yaml"))
    assert {file.stem for file in files} >= {
        "mini",
        "mini-topics",
        "pawsx",
        "pawsx-paper",
        "sick",
        "xnli",
        "xnli-paper",
    }
    for file in files:
        spec = load_study(str(file))
        assert spec.study == file.stem == spec.task.name + "-paper" * file.stem.endswith("-paper")
        comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
        assert comments[0] == f"# python -m xrt.study run {file.stem}"
        # Whose data the user must bring opens with where to get them.
        assert comments[1].startswith("# Data: " if file.stem == "sick" else "# Question: ")
        assert any(line.startswith("# Question: ") for line in comments)
        assert any(line.startswith("# Cost") for line in comments)


def test_a_study_is_found_by_path_then_here_then_among_the_shipped() -> None:
    assert load_study("mini").task.name == "mini"
    Path("studies").mkdir()
    Path("studies/mini.yaml").write_text(MINIMAL)
    assert load_study("mini").task.name == "pawsx"
    Path("mini").write_text(MINIMAL.replace("pawsx", "xnli"))
    assert load_study("mini").task.name == "xnli"
    assert list(known_studies()) == [
        "mini",
        "mini-topics",
        "pawsx",
        "pawsx-paper",
        "sick",
        "xnli",
        "xnli-paper",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("paws-x", ' Did you mean "pawsx"?'),
        ("mini.yaml", ' Did you mean "mini"?'),
        ("nowhere/pawsx.yml", ' Did you mean "pawsx"?'),
        ("../../etc/passwd\0", ""),
        ("", ""),
        ("/tmp", ""),
    ],
)
def test_an_unknown_study_lists_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_study(name)
    (problem,) = caught.value.problems
    assert problem.isprintable()
    assert problem.endswith(
        "there is no such study; known are mini, mini-topics, pawsx, pawsx-paper, sick, xnli, xnli-paper, "
        f"and files: PATH.yaml.{hint}"
    )


def test_a_file_of_a_similar_name_is_offered_before_a_shipped_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sick.yaml").touch()
    for name, offered in (("sick.yml", "sick.yaml"), (f"{tmp_path}/sik.yaml", f"{tmp_path}/sick.yaml")):
        with pytest.raises(SpecError, match=f'Did you mean "{offered}"'):
            load_study(name)


def test_an_unknown_study_and_a_bad_override_are_told_together() -> None:
    with pytest.raises(SpecError) as caught:
        load_study("nothing", ["search.trails=1"])
    assert len(caught.value.problems) == 2


def test_a_file_whose_name_names_no_study_needs_a_study_field() -> None:
    Path("my study.yaml").write_text(MINIMAL)
    with pytest.raises(SpecError, match='study: "my study" is not allowed'):
        load_study("my study.yaml")
    assert load_study("my study.yaml", ["study=mine"]).study == "mine"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda t: f"task: pawsx\nspace: {t}".encode(errors="ignore"))
)
def test_no_file_ends_in_anything_but_a_spec_error(raw: bytes) -> None:
    Path("any.yaml").write_bytes(raw)
    with pytest.raises(SpecError) as caught:
        load_study("any.yaml")
    assert all(
        problem.isprintable() and problem.startswith("any.yaml: ") for problem in caught.value.problems
    )
