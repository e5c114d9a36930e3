"""The model card of a trained encoder: description, usage, scores, training data. Knows no file."""

from pathlib import Path
from typing import Any

import yaml

from xrt.data import TASKS, Task
from xrt.findings.findings import Findings
from xrt.findings.markdown import grid, plain_text
from xrt.findings.words import describe, percent
from xrt.record.values import TrialRecord
from xrt.spec.metric import Metric, means_of
from xrt.spec.trial import TrialConfig

EXAMPLE = {
    "text": "Anna gave Peter a book yesterday.",
    "text_pair": "Gestern gab Anna Peter ein Buch.",
}
USE = """\
```
from transformers import pipeline

classify = pipeline("text-classification", "FOLDER OR NAME")
classify({example!r}, truncation=True)
```"""


def example(task: Task) -> dict[str, str]:
    """An input of its pipeline: a pair, or a single text."""
    return dict(list(EXAMPLE.items())[: task.sentences])


def card(found: Findings, trial: TrialRecord, config: TrialConfig) -> str:
    """Markdown below a YAML header that the hub reads."""
    task, meta = config.task, found.meta
    split = "test" if any(name.startswith("test/") for name in trial.metrics) else "dev"
    metrics = [*(Metric("acc", language, split) for language in task.languages)]
    metrics += [mean.on(split) for mean in means_of(task)]
    scores = [(m.words, percent(score)) for m in metrics if (score := trial.score(str(m))) == score]
    method = describe(trial.params)
    summary = (
        f"{config.encoder} fine-tuned on {task.name} in {' and '.join(task.sources)} only ({method}), for "
        f"{'sentences' if task.sentences == 1 else 'sentence pairs'} in {len(task.languages)} languages"
        f"{'' if task.sentences == 1 else ', also in two different ones'}. Labels: {', '.join(task.labels)}."
    )
    scope = f"Of this one training (trial {trial.id} of run {meta.name}); the run's report compares seeds and methods."
    data = [(d.name, d.split, d.context, f"{d.rows:,}", d.digest[:16]) for d in meta.data]
    trained = next((f"all {d.rows:,}" for d in meta.data if d.context == "training"), "all")
    parts = [
        f"# {plain_text(f'{task.name}: {method}')}",
        f"Made with xrt {meta.versions.get('xrt', '')}".strip() + ".",
        plain_text(summary),
        USE.format(example=example(task)),
        f"## Accuracy on the {split} split, %",
        grid(("language or mean", "accuracy"), scores, {1}),
        plain_text(scope),
        plain_text(f"What the run says: {found.answer.sentence}"),
        "## Training",
        grid(("setting", ""), _settings(trial, config, trained), ()),
        grid(("data", "split", "used for", "rows", "digest"), data, {3}),
        f"The command of the run:\n\n```\n{meta.command}\n```",
    ]
    front = yaml.safe_dump(_front(config), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(parts) + "\n"


def _settings(trial: TrialRecord, config: TrialConfig, trained: str) -> list[tuple[str, str]]:
    rows = {
        "encoder": config.encoder,
        "method": describe(trial.params),
        "learning rate": config.learning_rate,
        "epochs": config.epochs,
        "batch size": config.batch_size,
        "training rows": trained if config.train_rows is None else f"{config.train_rows:,}",
        "longest pair, tokens": config.max_tokens,
        "dropout": "as pretrained" if config.dropout is None else config.dropout,
        "seed": trial.seed,
    }
    return [(name, str(value)) for name, value in rows.items()]


def _front(config: TrialConfig) -> dict[str, Any]:
    """The header that the hub reads, without unknown fields."""
    hub = TASKS[config.task.name].hub if config.task.name in TASKS else None
    front: dict[str, Any] = {
        "language": list(config.task.languages),
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["cross-lingual", *["sentence-pairs"] * (config.task.sentences == 2), config.method],
    }
    if not Path(config.encoder).is_absolute() and not config.encoder.startswith((".", "mini-")):
        front["base_model"] = config.encoder
    if hub and config.source.kind == "hub":
        front["datasets"] = [hub.repo]
    return front
