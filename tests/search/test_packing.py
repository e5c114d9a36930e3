import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from xrt.errors import SpecError
from xrt.robust.memory import Shape, evaluation_gib, step_gib
from xrt.search import packing
from xrt.search.packing import Workers, described, present, trial_resources
from xrt.spec import load_study

MANY = 1000  # trials that wait
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
    return load_study("mini", ["training.max_tokens=128", "confirm=null", *overrides])


@pytest.mark.parametrize(
    ("encoder", "fitting"), [("bert-base-multilingual-cased", 3), ("xlm-roberta-large", 1), ("tiny", 4)]
)
def test_as_many_trials_share_a_gpu_as_their_memory_lets_fit(encoder, fitting):
    spec = study("resources.gpu=auto", "resources.cpu=4", "training.freeze_word_embeddings=false")
    given = trial_resources(spec, A10G, encoder, MANY)
    assert fitting * given["GPU"] <= 1 < (fitting + 1) * given["GPU"]
    assert given["CPU"] == min(4, 8 // fitting), "the cores of a machine are enough for all of them"
    assert A10G.slots(given) == 8 * fitting


@pytest.mark.parametrize(
    ("changed", "fewer"),
    [
        # Recorded steps keep their activations beside those of everything else.
        (("training.compile=true", "training.batch_size=64", "training.micro_batch=null"), True),
        (("training.deterministic=true",), False),
        (("training.precision=float32", "training.batch_size=64", "training.micro_batch=null"), True),
        (("training.precision=bfloat16",), False),
    ],
)
def test_recorded_steps_and_float32_let_fewer_trials_fit(changed, fewer):
    common = ("resources.gpu=auto", "training.freeze_word_embeddings=false", *changed)
    plain = [
        one for one in common if not any(word in one for word in ("compile", "deterministic", "precision"))
    ]
    shares = [
        trial_resources(study(*how), A10G, "bert-base-multilingual-cased", MANY)["GPU"]
        for how in (plain, common)
    ]
    assert (shares[0] < shares[1]) == fewer


def test_an_evaluation_needs_its_memory_however_small_the_steps_are():
    """Eight pairs a step: the batches that are evaluated are larger."""
    shape = SHAPES["bert-base-multilingual-cased"]
    assert step_gib(shape, 1, 512) < evaluation_gib(shape, 512) < 1.5 * step_gib(shape, 1, 512)
    spec = study("resources.gpu=auto", "training.batch_size=1", "training.max_tokens=512")
    given = trial_resources(spec, Workers(1, 8, 1, 12.4), "bert-base-multilingual-cased", MANY)
    assert 12.4 * given["GPU"] >= evaluation_gib(shape, 512, frozen_embeddings=True)


def server(gib: float) -> Workers:
    """One present machine with eight GPUs."""
    return present([{"CPU": 64.0, "GPU": 8.0}], gib)


@pytest.mark.parametrize(
    ("gib", "trials", "on_each"),
    [
        *[(24, 1, 1), (24, 4, 1), (24, 8, 1), (24, 9, 2), (24, 16, 2), (24, 64, 3)],
        *[(80, 1, 1), (80, 4, 1), (80, 8, 1), (80, 9, 2), (80, 16, 2), (80, 64, 4)],
    ],
)
def test_trials_take_all_gpus_before_two_of_them_share_one(gib, trials, on_each):
    spec = study("resources.gpu=auto", "resources.cpu=4", "training.freeze_word_embeddings=false")
    given = trial_resources(spec, server(gib), "bert-base-multilingual-cased", trials)
    assert int(1 / given["GPU"]) == on_each
    assert server(gib).slots(given) == 8 * on_each >= min(trials, 8)
    assert given["CPU"] == min(4, 64 // (8 * on_each)), "the cores are enough for all of them"


def test_a_study_that_runs_few_trials_at_once_gives_each_more_room():
    spec = study("resources.gpu=auto", "search.concurrent=8")
    assert trial_resources(spec, server(80), "tiny", 64)["GPU"] == 1


def test_trials_spread_over_the_machines_that_are_there_when_nobody_says_how_many_can_come():
    nodes = [{"CPU": 16.0, "GPU": 2.0}] * 4 + [{"CPU": 4.0}]
    spec = study("resources.gpu=auto")
    assert trial_resources(spec, present(nodes, 80), "tiny", 8)["GPU"] == 1
    assert trial_resources(spec, present(nodes, 80), "tiny", 16)["GPU"] == 0.5


def test_the_share_of_a_mixed_cluster_fits_its_smallest_gpu():
    spec = study("resources.gpu=auto", "training.freeze_word_embeddings=false")
    nodes = [{"CPU": 16.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 1.0}]
    of = {
        gib: trial_resources(spec, present(nodes, gib), "xlm-roberta-large", MANY)["GPU"] for gib in (11, 80)
    }
    assert of[11] == 1 > of[80]


SPREAD = """
import json, os, sys
import ray
from xrt.search.cluster import ENVIRONMENT
os.environ.update(ENVIRONMENT)
ray.init(address="local", num_cpus=64, num_gpus=8, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

@ray.remote
class Trial:
    def gpu(self):
        return os.environ["CUDA_VISIBLE_DEVICES"]

given = json.loads(sys.argv[1])
trials = [Trial.options(num_cpus=given["CPU"], num_gpus=given["GPU"]).remote() for _ in range(8)]
print(json.dumps(ray.get([trial.gpu.remote() for trial in trials])))
"""


@pytest.mark.slow
def test_eight_trials_on_eight_gpus_of_ray_take_all_eight(tmp_path):
    given = trial_resources(study("resources.gpu=auto"), server(24), "tiny", 8)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}
    done = subprocess.run(
        [sys.executable, "-c", SPREAD, json.dumps(given)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(json.loads(done.stdout.splitlines()[-1])) == list("01234567")


def test_smaller_steps_let_more_trials_fit():
    wide = trial_resources(study("resources.gpu=auto"), A10G, "xlm-roberta-large", MANY)
    small = study("resources.gpu=auto", "training.micro_batch=4")
    assert trial_resources(small, A10G, "xlm-roberta-large", MANY)["GPU"] < wide["GPU"]


@pytest.mark.parametrize("objective", ["objective: [loss, kl]", "clean: {uniform: [0, 1]}"])
def test_an_objective_with_two_passes_lets_fewer_trials_fit(objective):
    plain = study("resources.gpu=auto", "training.batch_size=64", "training.freeze_word_embeddings=false")
    two = study(
        "resources.gpu=auto", "training.batch_size=64", "training.freeze_word_embeddings=false",
        f"space.method.noise={{scale: 1.0, {objective}}}",
    )  # fmt: skip
    name = "bert-base-multilingual-cased"
    assert trial_resources(two, A10G, name, MANY)["GPU"] > trial_resources(plain, A10G, name, MANY)["GPU"]


def test_what_the_study_asks_for_is_what_it_gets():
    asked = trial_resources(study("resources.gpu=0.25"), A10G, "xlm-roberta-large", MANY)
    assert asked == {"CPU": 1, "GPU": 0.25}
    assert trial_resources(study("resources.gpu=0"), A10G, "tiny", MANY) == {"CPU": 1, "GPU": 0}


def test_auto_is_no_gpu_where_there_is_none_and_a_whole_one_of_unknown_size():
    spec = study("resources.gpu=auto")
    assert trial_resources(spec, Workers(0, 4, 0), "tiny", MANY)["GPU"] == 0
    assert trial_resources(spec, Workers(0, 4, 2), "tiny", MANY)["GPU"] == 1


@pytest.mark.parametrize("workers", [Workers(0, 0, 0), Workers(2, 8, 0)])
def test_a_trial_that_fits_on_no_machine_is_refused_before_the_study_waits_for_ever(workers):
    with pytest.raises(SpecError, match=r"no machine of the cluster has what a trial needs .*XRT_WORKERS"):
        trial_resources(study("resources.gpu=1"), workers, "tiny", MANY)


def test_trials_get_no_more_cores_than_one_machine_has():
    """The sum over a cluster would let a trial wait for a machine that is larger than all of them."""
    workers = present([{"CPU": 2.0}, {"CPU": 2.0}, {}])
    assert trial_resources(study("resources.cpu=4", "resources.gpu=0"), workers, "tiny", MANY)["CPU"] == 2


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
