from pathlib import Path

from tests.study.conftest import write_split
from xrt.data.tokens import unknown_share
from xrt.robust.encoder import load_tokenizer
from xrt.spec import load_study
from xrt.study.running import survey

STUDY = """\
task: {{name: two, languages: [en, de], labels: ["0", "1"]}}
data: {{source: folder, path: {data}}}
space: {{encoder: mini-a, learning_rate: 1.0e-3, method: {{plain: {{}}}}}}
confirm: null
"""


def test_a_language_that_the_tokenizer_does_not_know_is_named_before_anything_is_trained(tmp_path: Path):
    for split in ("train", "dev"):
        write_split(tmp_path, split, ["en", "de"], 60)
    (tmp_path / "two.yaml").write_text(STUDY.format(data=tmp_path))
    spec = load_study(str(tmp_path / "two.yaml"), [])
    assert survey(spec)[2] == []
    lines = (tmp_path / "dev-de.tsv").read_text().splitlines()
    thai = ["\t".join(["\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 Anna", *line.split("\t")[1:]]) for line in lines]
    (tmp_path / "dev-de.tsv").write_text("\n".join(thai) + "\n")
    (warning,) = survey(spec)[2]
    assert warning.startswith("Warning: the tokenizer of mini-a maps ") and 'of "de" to unknown' in warning


def test_the_share_of_unknown_pieces_counts_pieces():
    tokenizer = load_tokenizer("mini-a")
    assert unknown_share(tokenizer, ["Anna"]) == unknown_share(tokenizer, []) == 0
    assert unknown_share(tokenizer, ["\u0e2a\u0e2a\u0e2a"]) > 0.5
