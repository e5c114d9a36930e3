"""The commands that keep runs in order: note, delete."""

import sys
from functools import partial
from typing import Annotated

import typer

from xrt.errors import XrtError
from xrt.study.app import ORDER, ResultsOption, RunArgument, app, opened_run, out, run_names


@app.command(rich_help_panel=ORDER)
def note(
    run: RunArgument,
    text: Annotated[str, typer.Argument(help="Replaces the present note; '' removes it.")],
    results: ResultsOption = None,
) -> None:
    """Write a note on a run, even while it runs; `list`, `status`, its report and its page in MLflow show it.

    Example: `python -m xrt.study note mini "first with dropout"`
    """
    from xrt.record.notes import write_note

    write_note(opened := opened_run(run, results), text)
    again = " and ".join(opened.command(verb) for verb in ("report", "sync"))
    out.print(f"{opened.name}: noted. To add the note to the report and to MLflow: {again}", soft_wrap=True)


@app.command(rich_help_panel=ORDER)
def delete(
    run: Annotated[str, typer.Argument(help="A run's own name.", autocompletion=run_names)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete without asking, even the champion's run.")
    ] = False,
    results: ResultsOption = None,
) -> None:
    """Remove a run: its folder, and its entries in the MLflow store beside the results. Asks first.

    Example: `python -m xrt.study delete mini-20260101-120000`
    """
    from xrt.record.environment import redact
    from xrt.record.removal import remove, size_of
    from xrt.tracking.moved import settle
    from xrt.tracking.removal import forget, is_champion

    opened = opened_run(run, results)
    if opened.name != run:
        raise XrtError(f"delete: {run} is a study, of which {opened.name} is the newest run; name the run.")
    opened.refuse_if_held()
    at, size, elsewhere = opened.paths.results, size_of(opened), opened.meta.tracking
    say = partial(out.print, soft_wrap=True)
    settle(at, None, say)
    if is_champion(opened) and not yes:
        alias = f"models:/{opened.study}@champion"
        raise XrtError(f"{run}: {alias} belongs to this run and would be lost; --yes deletes it anyway.")
    weights = f"{size.tune / 1e6:,.1f} MB of them checkpoints, weights and predictions"
    say(f"{opened.paths.root}: {len(opened.whole_trials()[0])} trials, {size.all / 1e6:,.1f} MB, {weights}")
    if not (yes or _agreed(run)):
        return say("Nothing was deleted.")
    with opened.hold():
        gone = forget(opened)
        remove(opened)
    say(f"Deleted: {run}")
    if gone:
        say(
            f"MLflow: {gone} runs moved to its bin; to empty it: mlflow gc --backend-store-uri {at.tracking_uri}"
        )
    if elsewhere and "://" in elsewhere:
        say(f"MLflow at {redact(elsewhere)} keeps its entries of the run.")


def _agreed(run: str) -> bool:
    if not sys.stdin.isatty():
        raise XrtError(f"delete: cannot ask before it removes {run}: no terminal; give --yes.")
    return typer.confirm(f"Delete {run}?")
