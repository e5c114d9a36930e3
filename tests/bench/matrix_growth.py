"""Does an evaluation grow in proportion, and its memory not at all? `python -m tests.bench.matrix_growth [ENCODER]`

15 languages of generated sentences (tests.bench.generated_folder). Each line is a process of its own: pairs of
languages, examples, questions, CPU seconds, milliseconds a question, the most memory that the process held (peak
resident set), and by how much a second evaluation raised that. Run it on one thread (OMP_NUM_THREADS=1).
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import generated_folder
from xrt.data import TASKS, Source, load
from xrt.robust.encoder import load_encoder
from xrt.robust.evaluation import predict

CASES = [(7, 200), (49, 200), (225, 200), (49, 100), (49, 400), (49, 800)]  # pairs, examples


def one(name: str, data: str, pairs: int, examples: int) -> str:
    """Measure one evaluation in this process."""
    task = TASKS["xnli"]
    dev = load(task, Source("folder", data), "dev").sample(examples, 0)
    encoder = load_encoder(name, task.labels)
    asked = {7: [(a, a) for a in task.languages[:7]], 225: list(task.pairs())}.get(
        pairs, [(a, b) for a in task.languages[:7] for b in task.languages[:7]]
    )
    predict(encoder, dev, asked, 128)  # warm up; tokens are cached
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = predict(encoder, dev, asked, 128)
    took, count = time.process_time() - began, int((found.labels >= 0).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted = f"{pairs:5} {examples:9} {count:10} {took:8.2f} {1000 * took / count:8.3f}"
    return f"{counted} {peak / 1024:9.0f} {(peak - before) / 1024:6.1f}"


def main(name: str = "mini-a") -> None:
    print("pairs  examples  questions  seconds       ms  peak MiB  again")
    with tempfile.TemporaryDirectory() as folder:
        data = str(generated_folder.write(Path(folder), max(examples for _, examples in CASES)))
        for pairs, examples in CASES:
            arguments = [
                sys.executable,
                "-m",
                "tests.bench.matrix_growth",
                name,
                data,
                str(pairs),
                str(examples),
            ]
            done = subprocess.run(arguments, capture_output=True, text=True, check=True)
            print(done.stdout.strip("\n"), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        print(one(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main(*sys.argv[1:])
