"""A trial's device and precision: a GPU only where it was given one, whatever the machine has."""

from dataclasses import replace

import pytest
import torch

from xrt.search import trial
from xrt.spec import load_study
from xrt.spec.trial import build


@pytest.mark.parametrize(
    ("share", "there", "device"), [(0.0, True, "cpu"), (0.5, True, "cuda"), (0.5, False, "cpu")]
)
def test_a_trial_uses_a_gpu_if_it_was_given_one_and_there_is_one(monkeypatch, share, there, device):
    monkeypatch.setattr(trial, "_gpu", {"share": share})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert trial.device().type == device


def test_a_trial_without_a_gpu_does_not_touch_one(monkeypatch):
    monkeypatch.setattr(trial, "_gpu", {"share": 1.0})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("reset_peak_memory_stats", "set_per_process_memory_fraction"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: pytest.fail("a GPU was touched"))
    trial.use_gpu(0.0)


def test_a_trial_multiplies_in_the_precision_that_its_study_names():
    spec = load_study("mini")
    sample = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}
    scores = {}
    for precision in ("auto", "float32", "bfloat16"):
        config = replace(build(spec, sample, 7), precision=precision, train_rows=32)
        encoder = trial.open_encoder(config)
        encoder.model.eval()
        stream, _ = trial.training_stream(config, encoder)
        scores[precision] = encoder.scores(next(iter(stream(0))))
    assert torch.equal(scores["auto"], scores["float32"]), "on a CPU"
    off = (scores["bfloat16"] - scores["float32"]).norm() / scores["float32"].norm()
    assert 1e-4 < off < 0.05
