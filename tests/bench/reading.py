"""What it takes to read a folder: `python -m tests.bench.reading [ROWS] [ROUNDS]`.

Seven languages of ROWS rows in XTREME's layout are read and aligned in all 49 pairs by `load`, and in turn only read by
the CSV reader of `datasets`, which is what users have at hand. Printed is the median of the rounds' ratios. Exit code 1
where reading and aligning takes longer than that reader takes to read.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset, disable_progress_bars

from xrt.data import Source, load
from xrt.data.tasks import PAWSX

AT_MOST = 1.0


def written(folder: Path, rows: int) -> list[str]:
    """The files of the dev split, one a language."""
    for language in PAWSX.languages:
        lines = (f"sentence {i} of some length in {language}\tanother {i}\t{i % 2}\n" for i in range(rows))
        (folder / f"dev-{language}.tsv").write_text("".join(lines))
    return sorted(map(str, folder.glob("dev-*.tsv")))


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main(rows: str = "2000", rounds: str = "9") -> int:
    disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        files = written(Path(name), int(rows))

        def usual() -> None:
            with tempfile.TemporaryDirectory() as cache:
                for file in files:
                    Dataset.from_csv(file, cache_dir=cache, sep="\t", header=None, names=["a", "b", "label"])

        turns = [
            (seconds(lambda: load(PAWSX, Source("folder", name), "dev")), seconds(usual))
            for _ in range(int(rounds) + 1)
        ][1:]  # the first is to warm up
    ratio = statistics.median(ours / theirs for ours, theirs in turns)
    print(f"7 languages of {rows} rows: {statistics.median(ours for ours, _ in turns):.2f} s")
    print(
        f"{ratio:.2f} x the CSV reader of datasets (at most {AT_MOST}): {'yes' if ratio <= AT_MOST else 'NO'}"
    )
    return int(ratio > AT_MOST)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
