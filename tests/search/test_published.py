"""The settings that docs/methods.md calls by a paper's name are settings of a study, and mini is trained by them."""

import math
import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.faults.small import SMALL
from tests.search.conftest import only_report
from xrt.spec import build, load_study

SHORT = ["data={source: embedded, train_rows: 320, dev_rows: 60}", "pruning=null", "confirm=null"]
ROW = re.compile(r"^\| ([^|(]+) \([^|]+\) \| `(\w+: \{[^`]*\})` \|", re.MULTILINE)
# What the table leaves to the user.
FREE = {"radius": 0.01, "steps": 2, "scale": 0.3}
POINT = {"encoder": "mini-a", "learning_rate": 3e-3}


def published() -> dict[str, tuple[str, dict[str, Any]]]:
    """The table's rows: a method of ours and its settings for each published name."""
    found = {}
    for name, setting in ROW.findall((ROOT / "docs" / "methods.md").read_text()):
        ((method, own),) = yaml.safe_load(setting).items()
        found[name] = method, {key: FREE[key] if value is None else value for key, value in own.items()}
    return found


def test_the_table_names_what_the_field_names() -> None:
    assert published().keys() == {
        "PGD training", "FGM", "ADV", "FreeLB", "SMART", "TRADES", "R3F", "R-Drop", "RS-RP", "RS-DA",
    }  # fmt: skip


@pytest.mark.parametrize("name", published())
def test_a_published_setting_trains_mini(name: str) -> None:
    method, own = published()[name]
    spec = load_study(str(SMALL), [*SHORT, f"space.method={yaml.safe_dump({method: own}).strip()}"])
    sample = POINT | {"method": method} | {f"{method}.{key}": value for key, value in own.items()}
    trial = build(spec, sample, 7)
    report = only_report(trial)
    assert trial.parameters == trial.parameters | own
    assert all(math.isfinite(value) for value in report.metrics.values())
    # Half of them are right by chance; TRADES, with six times the divergence, has only begun to learn.
    assert report.metrics["dev/acc/en"] > (0.5 if name == "TRADES" else 0.75)
