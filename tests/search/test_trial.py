"""A trial's device: a GPU only where it was given one, whatever the machine has."""

import pytest
import torch

from xrt.search import trial


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
