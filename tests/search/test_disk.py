"""The bound on disk space follows from the trials that packing runs at once."""

import pytest

from tests.search.test_packing import SHAPES, study
from xrt.search import disk, packing


@pytest.mark.parametrize(
    ("more", "slots"), [([], 24), (["search.concurrent=5"], 5), (["search.trials=7"], 7)]
)
def test_the_disk_is_asked_for_as_many_trials_as_packing_lets_run(monkeypatch, more, slots):
    monkeypatch.setenv("XRT_WORKERS", "count=8,cpus=8,gpus=1,gpu_gib=22")
    monkeypatch.setattr(packing, "shape_of", lambda name: SHAPES["bert-base-multilingual-cased"])
    base = ["resources.gpu=auto", "search.trials=64", "training.freeze_word_embeddings=false"]
    assert disk.slots(study(*base, *more)) == slots
