"""`python -m tests.gpu [SECTION ...] [--cpu] [--out FOLDER]`: one line a figure, and all of them as JSON.

A section that fails is one line, and the next begins. Exit code 1 where a figure misses its bound or a section fails;
2 where there is no card.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TextIO

import torch
import transformers

from tests.gpu.card import Card, Section
from tests.gpu.numbers import clock, graphs, precision, resume
from tests.gpu.room import memory, packing, shortage
from tests.gpu.speed import evaluation, launches, steps
from tests.gpu.study import study

SECTIONS: dict[str, Section] = {
    one.__name__: one
    for one in (
        clock,
        precision,
        graphs,
        resume,
        steps,
        launches,
        evaluation,
        memory,
        shortage,
        packing,
        study,
    )
}


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    if not given.cpu and not torch.cuda.is_available():
        print("no card: torch sees none here (`--cpu` runs small sizes without one)", file=sys.stderr)
        return 2
    transformers.logging.set_verbosity_error()
    given.out.mkdir(parents=True, exist_ok=True)
    card = Card(torch.device("cpu" if given.cpu else "cuda"), given.cpu, given.out)
    with (given.out / "gpu.log").open("w") as log:
        found = run(card, given.sections or list(SECTIONS), log)
    told = {"device": device_name(card), "torch": torch.__version__, "sections": found}
    (given.out / "gpu.json").write_text(json.dumps(told, indent=1) + "\n")
    return int(any(one["error"] or not all(f["passed"] for f in one["figures"]) for one in found))


def run(card: Card, names: list[str], log: TextIO) -> list[dict[str, object]]:
    """Each section's figures, written as they come."""

    def say(line: str) -> None:
        for place in (sys.stdout, log):
            print(line, file=place, flush=True)

    say(f"{device_name(card)}, torch {torch.__version__}, transformers {transformers.__version__}")
    found = []
    for name in names:
        began, figures, error = time.monotonic(), [], ""
        say(f"{name}: {(SECTIONS[name].__doc__ or '').strip()}")
        try:
            for figure in SECTIONS[name](card):
                figures.append(figure.plain())
                say(figure.line())
        except Exception as caught:  # whatever it is, the sections after it are wanted
            error = f"{type(caught).__name__}: {str(caught).strip()}"
            say(f"  failed: {error}")
        if not figures and not error:
            say("  needs a card")
        say(f"  ({time.monotonic() - began:.0f} s)")
        found.append({"section": name, "figures": figures, "error": error})
    return found


def device_name(card: Card) -> str:
    return torch.cuda.get_device_name(card.device) if card.cuda else "CPU, small sizes"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="these alone; default: all")
    parser.add_argument(
        "--cpu", action="store_true", help="small sizes, on the CPU; what needs a card is left out"
    )
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), help="log, figures, the run of mini")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
