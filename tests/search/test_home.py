import os

import pytest

from xrt.errors import DataError
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.search.home import enter, home_of
from xrt.spec import load_study
from xrt.spec.trial import build

SAMPLE = {"encoder": "encoder", "learning_rate": 1e-3, "method": "plain"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Of a study that was started in a folder with an encoder and data in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("encoder", "data", "elsewhere"):
        (tmp_path / name).mkdir()
    overrides = ["data={source: folder, path: data}", "space.encoder=[encoder, mini-a]"]
    spec = load_study("mini", overrides)
    run = Run.create(Results(tmp_path / "results"), spec)
    return home_of(run, build(spec, SAMPLE, 7))


def test_relative_paths_mean_the_folder_that_the_study_was_started_in(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "elsewhere")
    enter(home)
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize("gone", ["encoder", "data", "results"])
def test_a_machine_that_lacks_a_place_says_which(home, tmp_path, gone):
    (tmp_path / gone).rename(tmp_path / "moved")
    with pytest.raises(
        DataError, match=f"{gone}.*: not on this machine, but on .*, where the study was started"
    ):
        enter(home)
