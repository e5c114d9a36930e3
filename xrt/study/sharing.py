"""The commands that share results: sync and ui for MLflow, export for everything else."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from xrt.errors import XrtError
from xrt.study.app import SHARE, ResultsOption, RunArgument, TrackingOption, app, doubts, err, opened_run, out


@app.command(rich_help_panel=SHARE)
def sync(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Write a run into MLflow again, from its record alone: its numbers, report and winner. Nothing is doubled.

    Example: `python -m xrt.study sync mini`
    """
    from xrt.findings.findings import findings
    from xrt.report.page import write_report
    from xrt.tracking.moved import settle
    from xrt.tracking.registry import deliver
    from xrt.tracking.tracker import Synced
    from xrt.tracking.tracker import sync as project

    found = findings(opened := opened_run(run, results))
    doubts(found.damaged)
    settle(opened.paths.results, tracking, partial(out.print, markup=False, soft_wrap=True))
    write_report(opened, found)
    out.print(str(project(opened, tracking) + Synced(changes=deliver(opened, tracking, out.print))))


@app.command(rich_help_panel=SHARE)
def export(
    run: RunArgument,
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    trial: Annotated[str | None, typer.Option(help="A trial's id. [default: the winner]")] = None,
    push_to_hub: Annotated[str | None, typer.Option(help="Also upload it under this name.")] = None,
    results: ResultsOption = None,
) -> None:
    """Write a trained encoder as a transformers folder with a model card.

    Example: `python -m xrt.study export mini build/winner`
    """
    from xrt.findings.findings import findings
    from xrt.tracking.export import export as write
    from xrt.tracking.export import push_to_hub as push

    doubts(findings(opened := opened_run(run, results)).damaged)
    out.print(f"Written: {write(opened, trial, folder)}", soft_wrap=True)
    if push_to_hub:
        out.print(f"Uploaded: {push(folder, push_to_hub)}", soft_wrap=True)


@app.command(rich_help_panel=SHARE)
def ui(
    results: ResultsOption = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    cluster: Annotated[
        str | None, typer.Option(help="Show the MLflow of this cluster; the file given to `ray up`.")
    ] = None,
) -> None:
    """Serve MLflow's pages for the results folder, behind a login, to this machine only unless --host says otherwise.

    Example: `python -m xrt.study ui --port 5001`
    """
    from xrt.record.paths import Results
    from xrt.tracking.moved import settle
    from xrt.tracking.server import USER, new_password, pages, wait, wait_for_pages
    from xrt.tracking.store import tables

    if cluster:
        tunnel(cluster)
    at = Results.at(results)
    if not at.mlflow_db.exists():
        raise XrtError(f"{at.mlflow_db}: there is no MLflow store yet; run a study or `sync` a run first.")
    settle(at, None, partial(out.print, markup=False, soft_wrap=True))
    links, password = tables(at), new_password()
    with pages(at, host, port, password) as process:
        with err.status("Starting MLflow"):  # on a terminal only
            wait_for_pages(process, f"http://{host}:{port}")
        out.print(f"MLflow at http://{host}:{port} (Ctrl-C ends it)")
        out.print(f"  user {USER}, password {password}", soft_wrap=True, highlight=False)
        for study, page in links.items():
            out.print(f"  {study}: http://{host}:{port}/{page}", soft_wrap=True, highlight=False)
        raise typer.Exit(wait(process))


def tunnel(cluster: str) -> NoReturn:
    """Become Ray's own ssh tunnel to MLflow on a cluster's head, which listens there on loopback."""
    if not Path(cluster).is_file():
        raise XrtError(f"--cluster: {cluster}: no such file; give the cluster file that `ray up` was given.")
    out.print("MLflow of the cluster at http://127.0.0.1:5000 (Ctrl-C ends it)")
    ray = str(Path(sys.executable).with_name("ray"))
    # Print the login of the head's MLflow first: the tunnel then holds the screen.
    command = "cat ~/.mlflow/credentials; sleep infinity"
    os.execv(ray, [ray, "exec", cluster, "--port-forward", "5000", command])
