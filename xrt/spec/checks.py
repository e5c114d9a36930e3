"""What the fields of a study must satisfy together.

Each check reads fields by name, and is skipped when one of them is already refused, so that all problems of a
file are reported at once. Types are strict, hence a value that pydantic did not refuse is the value itself:
checks read the file's mapping as well as the finished model.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from xrt.data import Task
from xrt.errors import closest
from xrt.robust.keeping import Keep
from xrt.spec.arms import arms_of
from xrt.spec.metric import Metric, means_of, metrics_of
from xrt.spec.problems import Field, Problem, Refused, section, show
from xrt.spec.tasks import read_task
from xrt.spec.training import Training
from xrt.spec.values import Choice, Reader, Value, ends, read_value

LEAST_SHARE = 1000  # the first rung comes after at least 1/1000 of the training
Get = Callable[[str], Any]


class Unknown(Exception):
    """A field that was refused, or whose section is null."""


def together(values: Any, model: type[BaseModel], refused: Collection[Field] = ()) -> list[Problem]:
    """Every problem between fields of `values`: a study file's mapping, or the model made from it."""

    def get(name: str) -> Any:
        field = tuple(name.split("."))
        if any(bad[: len(field)] == field or field[: len(bad)] == bad for bad in refused):
            raise Unknown
        return _look_up(values, model, field)

    problems: list[Problem] = []
    for check in CHECKS:
        with suppress(Unknown):
            problems += [Problem(tuple(name.split(".")), text) for name, text in check(get)]
    return problems


def _look_up(values: Any, model: type[BaseModel] | None, field: Field) -> Any:
    for name in field:
        if values is None:
            raise Unknown
        if isinstance(values, dict):
            assert model is not None
            declared = model.model_fields[str(name)]
            values = values[name] if name in values else declared.get_default(call_default_factory=True)
            model = section(declared.annotation)
        else:
            values = getattr(values, str(name))
    return values


def _task(get: Get) -> Task:
    try:
        return read_task(get("task"))
    except Refused:
        raise Unknown from None


def _source(get: Get) -> Iterator[tuple[str, str]]:
    task, source = _task(get), get("data.source")
    if source == "hub" and task.hub is None:
        instead = "{source: embedded}" if task.embedded else "{source: folder, path: FOLDER}"
        other = "" if task.embedded else " Or say where the hub has it, with task.hub: {repo: …}."
        yield "data.source", f"the hub does not have the task {task.name}; data: {instead}.{other}"
    if source == "embedded" and not task.embedded:
        instead = "hub or folder" if task.hub else "folder"
        yield "data.source", f"the task {task.name} does not come with the package; {instead}."


def _path(get: Get) -> Iterator[tuple[str, str]]:
    source, path = get("data.source"), get("data.path")
    if source == "folder" and path is None:
        yield "data.path", "missing; source: folder needs the path of the folder with the files."
    if source != "folder" and path is not None:
        shown = show(path) if isinstance(path, str) else "a path"
        text = f"{shown} is not allowed with source: {source}; only source: folder has a path."
        yield "data.path", f"{text} Set data.source=folder, or leave the path out."


def _labels(get: Get) -> Iterator[tuple[str, str]]:
    task, meanings = _task(get), get("data.labels")
    allowed = ", ".join(f'"{label}"' for label in task.labels)
    for word, label in (meanings or {}).items():
        # A file's mapping holds what was written, `1` for "1"; the finished model holds text.
        if label is not None and str(label) not in task.labels:
            hint = closest(label, task.labels)
            yield f"data.labels.{word}", f"{show(label)} is not allowed; one of {allowed}, or null.{hint}"


def _second(get: Get) -> Iterator[tuple[str, str]]:
    columns = get("data.columns") or {}
    second = columns.get("second") if isinstance(columns, Mapping) else columns.second
    if _task(get).sentences == 1 and second is not None:
        yield "data.columns.second", "not allowed with task.sentences: 1; first is the sentence."


def _embedded(get: Get) -> Iterator[tuple[str, str]]:
    if get("data.source") == "embedded":
        for field in ("columns", "labels", "splits"):
            if get(f"data.{field}") is not None:
                yield f"data.{field}", "not allowed with source: embedded, whose columns are known."


def _metric(get: Get) -> Iterator[tuple[str, str]]:
    task, metric = _task(get), get("search.metric")
    known = list(metrics_of(task, neighbours=get("data.neighbours") is not None))
    names = [str(one) for one in known]
    if metric in names:
        return
    kinds, differ = [*map(str, means_of(task)), "dev/acc/LANGUAGE"], ""
    if task.sentences == 2:
        kinds, differ = [*kinds, "dev/pair/A-B"], " (A and B differ)"
    kinds += [str(one) for one in known if one.kind == "proxy"]
    listed = f"{', '.join(kinds)}{differ} with the languages {', '.join(task.languages)}"
    same = [str(Metric.of((a, a))) for a in task.languages if metric == f"dev/pair/{a}-{a}"]
    single = ", for examples of a single sentence make no mixed pairs" if task.sentences == 1 else ""
    yield (
        "search.metric",
        f"{show(metric)} is never reported{single}; {listed}.{closest(metric, same or names)}",
    )


def _trials(get: Get) -> Iterator[tuple[str, str]]:
    trials, methods, compared = get("search.trials"), get("space.method"), get("compare")
    encoder = get("space.encoder")
    encoders = encoder if isinstance(encoder, list) else getattr(encoder, "options", (encoder,))
    if not isinstance(methods, Mapping):
        return
    arms = arms_of(tuple(compared), tuple(methods), tuple(map(str, encoders)))
    if trials < len(arms):
        names = "; ".join(arm.name for arm in arms)
        yield "search.trials", f"{trials} is not allowed; at least {len(arms)}, one for each arm ({names})."


def _setting(get: Get, name: str) -> Value:
    """A field of `training`, which a file's mapping holds as it was written."""
    (reader,) = (each for each in Training.model_fields[name].metadata if isinstance(each, Reader))
    return read_value(reader.kind, get(f"training.{name}"))


def _micro_batch(get: Get) -> Iterator[tuple[str, str]]:
    batch, micro = _setting(get, "batch_size"), _setting(get, "micro_batch")
    if micro == Choice((None,)):
        return
    least, most = int(ends(batch)[0]), int(ends(micro)[1])
    if most > least:
        yield "training.micro_batch", f"{most} is not allowed; at most training.batch_size, {least}."


def _keep(get: Get) -> Iterator[tuple[str, str]]:
    task, kept = _task(get), _setting(get, "keep")
    known = [str(metric) for metric in metrics_of(task) if metric.kind != "proxy"]
    for text in kept.options if isinstance(kept, Choice) else ():
        keep = Keep.read(text)
        if keep and keep.how == "best" and keep.metric not in known:
            listed = f"{', '.join(map(str, means_of(task)))}, dev/acc/LANGUAGE, dev/pair/A-B"
            languages = ", ".join(task.languages)
            problem = f"{show(keep.metric)} is not measured; {listed} with the languages {languages}"
            yield "training.keep", f"{problem}.{closest(keep.metric, known)}"


def _first_rung(get: Get) -> Iterator[tuple[str, str]]:
    reduction, rungs = get("pruning.reduction"), get("pruning.rungs")
    parts = reduction ** (rungs - 1)
    advice = "fewer rungs or a smaller pruning.reduction"
    if parts > LEAST_SHARE:
        text = (
            f"with pruning.reduction {reduction}, {rungs} rungs put the first after 1/{parts} of the training"
        )
        yield "pruning.rungs", f"{text}; at least 1/{LEAST_SHARE}: {advice}."
        return
    rows = get("data.train_rows")
    epochs, batch = ends(_setting(get, "epochs"))[0], ends(_setting(get, "batch_size"))[1]
    if rows is not None and rows * epochs / batch / parts < 1:
        steps = f"{rows * epochs / batch:.3g} steps of training"
        yield "pruning.rungs", f"{rungs} rungs put the first before the first of {steps}; {advice}."


def _gpu(get: Get) -> Iterator[tuple[str, str]]:
    gpu = get("resources.gpu")
    if gpu != "auto" and gpu > 1:
        yield (
            "resources.gpu",
            f"{show(gpu)} is not allowed; a trial uses one GPU; auto, or 0 to 1.",
        )


def _votes(get: Get) -> Iterator[tuple[str, str]]:
    if get("evaluation") is not None and get("confirm") is None:
        yield "evaluation", "votes are taken in the confirmation, and confirm is null; leave evaluation out."


CHECKS = (
    _source,
    _path,
    _labels,
    _second,
    _embedded,
    _micro_batch,
    _keep,
    _metric,
    _trials,
    _first_rung,
    _gpu,
    _votes,
)
