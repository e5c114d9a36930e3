"""A trained encoder for use elsewhere: a transformers folder with a model card, which can go to the hub.

The folder is made beside its place under another name and then moved: it is whole or absent. What it answers is
what the trial answered, when it is asked as the card says (`truncation=True`, for pairs longer than the training's).
"""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import yaml

from xrt.answers.confirmed import describe, number, ranked
from xrt.answers.rendering import Block, Code, Heading, Paragraph, Table, as_markdown
from xrt.answers.wording import percent, words
from xrt.data import TASKS
from xrt.errors import RecordError
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.robust.checkpoint import WEIGHTS, load_weights
from xrt.robust.encoder import Encoder, load_encoder
from xrt.spec.trial import TrialConfig

EXAMPLE = {
    "text": "Anna gave Peter a book yesterday.",
    "text_pair": "Gestern gab Anna Peter ein Buch.",
}


def export(run: Run, trial_id: str | None, folder: str | Path) -> Path:
    """Write a trial's encoder as a transformers folder: config, safetensors, tokenizer, README.md.

    Args:
        trial_id: by default what `champion` says.
        folder: is made; it must be empty if it is there.

    Raises:
        RecordError: the trial has no whole checkpoint, or the folder is taken or cannot be written.
        EncoderError: the encoder that the trial began with cannot be found.
    """
    trial = run.trial(trial_id) if trial_id else champion(run)
    target = Path(os.path.abspath(Path(folder).expanduser()))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecordError(f"{target}: is not empty; give a folder that is not there yet.")
    encoder, config = trained(run, trial)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        part.mkdir(parents=True)
        encoder.model.save_pretrained(part)
        encoder.tokenizer.save_pretrained(part)
        (part / "README.md").write_text(card(run, trial, config), "utf-8")
        os.replace(part, target)
    except OSError as error:
        raise RecordError(f"{target}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def champion(run: Run) -> TrialRecord:
    """The trial to export: of the configuration that the search chose, the seed that is best on dev.

    Raises:
        RecordError: no trial has finished.
    """
    best = ranked(run.trials(), run.meta.metric)
    if not best:
        raise RecordError(f"{run.name}: no trial has finished yet; wait, or name one with --trial.")
    seeds = [
        t
        for t in run.trials()
        if t.phase == "confirm" and t.state == "finished" and t.id.rpartition("-s")[0] == best[0].id
    ]
    name = run.meta.metric.replace("dev/", "final/", 1)
    known = [t for t in seeds if t.checkpoint and number(t, name) == number(t, name)]  # NaN is not itself
    return max(known, key=lambda t: (number(t, name), -t.seed)) if known else best[0]


def trained(run: Run, trial: TrialRecord) -> tuple[Encoder, TrialConfig]:
    """The encoder of a trial with its trained weights, its tokenizer set to what the trial used."""
    if not trial.checkpoint or not (run.fetch(trial.checkpoint) / WEIGHTS).exists():
        raise RecordError(
            f"{run.name}: trial {trial.id} ({trial.state}) has no weights at "
            f"{run.paths.root / (trial.checkpoint or 'tune')}; name another with --trial, or resume the run."
        )
    config = TrialConfig.from_dict(trial.config)
    encoder = load_encoder(config.encoder, config.task.labels, dropout=config.dropout, seed=config.seed)
    try:
        load_weights(encoder.model, run.paths.root / trial.checkpoint)
    except (OSError, ValueError, RuntimeError) as error:
        raise RecordError(
            f"{run.name}: the weights of trial {trial.id} cannot be loaded ({error})."
        ) from error
    encoder.model.eval()
    tokenizer = encoder.tokenizer
    tokenizer.model_max_length = config.max_tokens
    if getattr(encoder.model.config, "type_vocab_size", 0) < 2:  # such an encoder takes no token types
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
    return encoder, config


def card(run: Run, trial: TrialRecord, config: TrialConfig) -> str:
    """The model card: what it is, how to ask it, its scores, what it was trained on, how to make it again."""
    split = "test" if any(name.startswith("test/") for name in trial.metrics) else "final"
    shown = "test" if split == "test" else "dev"
    task = config.task
    names = [f"acc/{language}" for language in task.languages]
    names += [f"mean/{which}" for which in ("languages", "targets", "mixed", "all")]
    scores = [(name, number(trial, f"{split}/{name}")) for name in names]
    rows = tuple((words(name), percent(value)) for name, value in scores if value == value)
    ask = (
        "from transformers import pipeline\n\n"
        'classify = pipeline("text-classification", "FOLDER OR NAME")\n'
        f"classify({EXAMPLE!r}, truncation=True)"
    )
    settings = {
        "encoder": config.encoder,
        "method": describe(trial.params),
        "learning rate": config.learning_rate,
    }
    settings |= {
        "epochs": config.epochs,
        "batch size": config.batch_size,
        "longest pair, tokens": config.max_tokens,
    }
    settings |= {"dropout": "as pretrained" if config.dropout is None else config.dropout, "seed": trial.seed}
    data = tuple((d.name, d.split, d.context, f"{d.rows:,}", d.digest[:16]) for d in run.meta.data)
    blocks: list[Block] = [
        Paragraph(
            f"{config.encoder} fine-tuned on {task.name} in {task.source} only ({describe(trial.params)}), for "
            f"sentence pairs in {len(task.languages)} languages, also in two different ones. "
            f"Labels: {', '.join(task.labels)}."
        ),
        Code(ask),
        Heading(f"Accuracy on the {shown} split, %"),
        Table(("language or mean", "accuracy"), rows, frozenset({1})),
        Paragraph(
            f"Of this one training (trial {trial.id} of run {run.name}); its report compares seeds and methods."
        ),
        Heading("Training"),
        Table(("setting", ""), tuple((name, f"{value}") for name, value in settings.items())),
        Table(("data", "split", "used for", "rows", "digest"), data, frozenset({3})),
        Code(run.meta.command, "The command of the run:"),
    ]
    front = yaml.safe_dump(_front(run, config), sort_keys=False, allow_unicode=True)
    title = f"{task.name}: {describe(trial.params)}"
    return f"---\n{front}---\n\n" + as_markdown(title, "Made with xrt.", blocks, "figures")


def _front(run: Run, config: TrialConfig) -> dict[str, Any]:
    """What the hub reads; only what is known."""
    hub = TASKS[config.task.name].hub if config.task.name in TASKS else None
    front: dict[str, Any] = {
        "language": list(config.task.languages),
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["cross-lingual", "sentence-pairs", config.method],
    }
    if not Path(config.encoder).is_absolute() and not config.encoder.startswith((".", "mini-")):
        front["base_model"] = config.encoder
    if hub and config.source.kind == "hub":
        front["datasets"] = [hub.repo]
    return front


def push_to_hub(folder: str | Path, name: str, private: bool = True) -> str:
    """Upload an exported folder to the Hugging Face hub as `owner/model`; returns its address.

    Raises:
        RecordError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        place = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=place.repo_id, folder_path=folder, commit_message="Exported by xrt")
    except Exception as error:  # no such name, not logged in, no network: its client raises many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RecordError(
            f"--push-to-hub {name}: {first}. The folder {folder} is whole; once you are logged in (hf auth login): "
            f"hf upload {name} {folder}"
        ) from error
    return str(place)
