import pytest

from xrt.errors import SpecError
from xrt.robust.memory import Shape
from xrt.search import packing
from xrt.search.packing import Workers, described, present, trial_resources
from xrt.spec import load_study

A10G = Workers(count=8, cpus=8, gpus=1, gpu_gib=22)
SHAPES = {  # as their configurations on the hub give them
    "bert-base-multilingual-cased": Shape(177_855_747, 91_812_096, 12, 768, 12),
    "xlm-roberta-large": Shape(559_893_507, 256_002_048, 24, 1024, 16),
    "tiny": Shape(300_000, 190_000, 3, 64, 4),
}


@pytest.fixture(autouse=True)
def shapes(monkeypatch):
    monkeypatch.setattr(packing, "shape_of", SHAPES.__getitem__)


def study(*overrides: str):
    return load_study("mini", ["training.max_tokens=128", *overrides])


@pytest.mark.parametrize(
    ("encoder", "fitting"), [("bert-base-multilingual-cased", 3), ("xlm-roberta-large", 1), ("tiny", 4)]
)
def test_as_many_trials_share_a_gpu_as_their_memory_lets_fit(encoder, fitting):
    spec = study("resources.gpu=auto", "resources.cpu=4", "training.freeze_word_embeddings=false")
    given = trial_resources(spec, A10G, encoder)
    assert fitting * given["GPU"] <= 1 < (fitting + 1) * given["GPU"]
    assert given["CPU"] == min(4, 8 // fitting), "the cores of a machine are enough for all of them"
    assert A10G.slots(given) == 8 * fitting


def test_smaller_steps_let_more_trials_fit():
    wide = trial_resources(study("resources.gpu=auto"), A10G, "xlm-roberta-large")
    small = study("resources.gpu=auto", "training.micro_batch=4")
    assert trial_resources(small, A10G, "xlm-roberta-large")["GPU"] < wide["GPU"]


@pytest.mark.parametrize("objective", ["objective: [loss, kl]", "clean: {uniform: [0, 1]}"])
def test_an_objective_with_two_passes_lets_fewer_trials_fit(objective):
    plain = study("resources.gpu=auto", "training.batch_size=64", "training.freeze_word_embeddings=false")
    two = study(
        "resources.gpu=auto", "training.batch_size=64", "training.freeze_word_embeddings=false",
        f"space.method.noise={{scale: 1.0, {objective}}}",
    )  # fmt: skip
    name = "bert-base-multilingual-cased"
    assert trial_resources(two, A10G, name)["GPU"] > trial_resources(plain, A10G, name)["GPU"]


def test_what_the_study_asks_for_is_what_it_gets():
    assert trial_resources(study("resources.gpu=0.25"), A10G, "xlm-roberta-large") == {"CPU": 1, "GPU": 0.25}
    assert trial_resources(study("resources.gpu=0"), A10G, "tiny") == {"CPU": 1, "GPU": 0}


def test_auto_is_no_gpu_where_there_is_none_and_a_whole_one_of_unknown_size():
    spec = study("resources.gpu=auto")
    assert trial_resources(spec, Workers(0, 4, 0), "tiny")["GPU"] == 0
    assert trial_resources(spec, Workers(0, 4, 2), "tiny")["GPU"] == 1


@pytest.mark.parametrize("workers", [Workers(0, 0, 0), Workers(2, 8, 1)])
def test_a_trial_that_fits_on_no_machine_is_refused_before_the_study_waits_for_ever(workers):
    with pytest.raises(SpecError, match=r"no machine of the cluster has what a trial needs .*XRT_WORKERS"):
        trial_resources(study("resources.gpu=2"), workers, "tiny")


def test_trials_get_no_more_cores_than_one_machine_has():
    """The sum over a cluster would let a trial wait for a machine that is larger than all of them."""
    workers = present([{"CPU": 2.0}, {"CPU": 2.0}, {}])
    assert trial_resources(study("resources.cpu=4", "resources.gpu=0"), workers, "tiny")["CPU"] == 2


def test_of_a_lone_machine_it_is_known_how_many_trials_fit():
    cpu = {"CPU": 1.0, "GPU": 0.0}
    assert present([{"CPU": 16.0}]).slots(cpu) == 16
    assert present([{"CPU": 16.0}, {"CPU": 16.0}]).slots(cpu) == 0, "others may come"
    assert present([{}]).slots(cpu) == 0, "a head that waits for its workers"


def test_workers_are_described_in_one_variable():
    assert described("count=8,cpus=8,gpus=1,gpu_gib=22") == A10G
    assert described("count=2, cpus=4") == Workers(2, 4, 0)


@pytest.mark.parametrize(
    "text", ["", "8", "cpus=8", "count=2,cpus=x", "count=2,cpus=8,gpu=1", "count=2;cpus=8"]
)
def test_another_description_is_refused_with_an_example(text):
    with pytest.raises(SpecError, match="for example XRT_WORKERS=count="):
        described(text)
