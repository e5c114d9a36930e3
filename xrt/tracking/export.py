"""A trained encoder for use elsewhere: a transformers folder with a model card, which can be pushed to the hub.

The folder is written under another name and then moved, so it is whole or absent. Used as the card says
(`truncation=True`, for pairs longer than the training's), it predicts as the trial did, up to the
rounding of bfloat16, if the trial multiplied in it.
"""

import os
import secrets
import shutil
from pathlib import Path

from xrt.data.integrity import readable_as_its_folder
from xrt.errors import RecordError
from xrt.findings.findings import findings
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.robust.checkpoint import WEIGHTS, check, load_weights
from xrt.robust.encoder import Encoder, load_encoder
from xrt.spec.trial import TrialConfig
from xrt.tracking.card import card


def export(run: Run, trial_id: str | None, folder: str | Path) -> Path:
    """Write a trial's encoder as a transformers folder: config, safetensors, tokenizer, README.md.

    Args:
        trial_id: by default the champion: of the configuration that the search ranks first, the best seed on dev.
        folder: made if necessary; it must be empty.

    Raises:
        RecordError: the trial has no whole checkpoint, or the folder is taken or cannot be written.
        EncoderError: the pretrained encoder cannot be found.
    """
    found = findings(run)
    trial = run.trial(trial_id) if trial_id else found.champion
    if trial is None:
        raise RecordError(f"{run.name}: no trial has finished yet; wait, or name one with --trial.")
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecordError(f"{target}: is not empty; give a folder that does not exist yet.")
    encoder, config = trained(run, trial)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        part.mkdir(parents=True)
        encoder.model.save_pretrained(part)
        encoder.tokenizer.save_pretrained(part)
        for file in part.iterdir():
            readable_as_its_folder(file)
        (part / "README.md").write_text(card(found, trial, config), "utf-8")
        os.replace(part, target)
    except OSError as error:
        raise RecordError(f"{target}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def trained(run: Run, trial: TrialRecord) -> tuple[Encoder, TrialConfig]:
    """The encoder of a trial with its trained weights, its tokenizer set to what the trial used.

    Raises:
        RecordError: the weights are missing, damaged, or of another trial or step.
    """
    if not trial.checkpoint or not (run.fetch(trial.checkpoint) / WEIGHTS).exists():
        raise RecordError(
            f"{run.name}: trial {trial.id} ({trial.state}) has no weights at "
            f"{run.paths.root / (trial.checkpoint or 'tune')}; name another with --trial, or resume the run."
        )
    folder = run.paths.root / trial.checkpoint
    try:
        check(folder, run.about(trial) | ({"step": trial.last.step} if trial.last else {}))
    except RecordError as error:
        raise RecordError(
            f"{run.name}: trial {trial.id} is not exported: {folder}: {error.__cause__}; name another with --trial."
        ) from error
    config = TrialConfig.from_dict(trial.config)
    task = config.task
    encoder = load_encoder(
        config.encoder, task.labels, sentences=task.sentences, dropout=config.dropout, seed=config.seed
    )
    try:
        load_weights(encoder.model, folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise RecordError(
            f"{run.name}: the weights of trial {trial.id} cannot be loaded ({error})."
        ) from error
    encoder.model.eval()
    tokenizer = encoder.tokenizer
    tokenizer.model_max_length = config.max_tokens
    if getattr(encoder.model.config, "type_vocab_size", 0) < 2:  # such an encoder has no token types
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
    return encoder, config


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
    except Exception as error:  # no such name, not logged in, no network: the client raises many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RecordError(
            f"--push-to-hub {name}: {first}. The folder {folder} is whole; once you are logged in (hf auth login): "
            f"hf upload {name} {folder}"
        ) from error
    return str(place)
