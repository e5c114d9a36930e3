"""A trial with a real checkpoint and predictions, without training, for tests of exports."""

from pathlib import Path

import torch

from tests.findings import worked
from xrt.data import TASKS, Source, load
from xrt.record import Report, Run, TrialRecord
from xrt.robust import checkpoint
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.evaluation import predict
from xrt.robust.predictions import Predictions
from xrt.robust.training import Recipe, start
from xrt.spec.training import Training
from xrt.spec.trial import TrialConfig, build

TASK = TASKS["mini"]
PAIRS = (("en", "en"), ("en", "de"), ("de", "fr"))
MAX_TOKENS = 24  # so short that most pairs are cut


def config_for(encoder: Path) -> TrialConfig:
    spec = worked.SPEC.model_copy(
        update={"training": Training(max_tokens=MAX_TOKENS, batch_size=8, epochs=1.0)}
    )
    own = {"method": "adversarial", "adversarial.radius": 0.1, "adversarial.steps": 1}
    return build(spec, {"encoder": str(encoder), "learning_rate": 1e-3, **own}, 5, confirm=True)


def trained_trial(run: Run, encoder: Path) -> tuple[TrialRecord, Predictions]:
    """A trial whose checkpoint and predictions are real, but for the training."""
    config = config_for(encoder)
    opened = load_encoder(config.encoder, TASK.labels, seed=77)  # another head than an export would draw
    balance(opened)
    place = Path("tune") / "0000" / "checkpoint_000000"
    recipe = Recipe(1e-3, 1, 0, 0.1, 0.0, 1.0, False, None)
    checkpoint.save(start(opened, recipe), run.paths.root / place, optimizer=False)
    found = predict(opened, load(TASK, Source("embedded"), "test").sample(12, 0), PAIRS, MAX_TOKENS)
    found.save(run.paths.root / place / "predictions-test.arrow")
    params = {
        "encoder": str(encoder),
        "learning_rate": 1e-3,
        "method": "adversarial",
        "adversarial.radius": 0.1,
    }
    trial = TrialRecord("0000", params, config.to_dict(), 5, "0000", checkpoint=str(place)).begun(
        worked.START
    )
    metrics = worked.metrics_of(found, "dev") | worked.metrics_of(found, "test")
    metrics["dev/mean/mixed"] = metrics["test/mean/mixed"] = found.mean([1, 2])
    trial = trial.reported(Report(0, 1.0, 10, worked.START + 5, metrics)).closed("finished", worked.START + 6)
    run.save(trial)
    return trial, found


@torch.no_grad()
def balance(encoder: Encoder) -> None:
    """Move the head's bias so that a fresh encoder predicts each label for half of the pairs."""
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    first = [text for a, _ in PAIRS for text in sample.sentences(a).first]
    second = [text for _, b in PAIRS for text in sample.sentences(b).second]
    words = {"truncation": True, "max_length": MAX_TOKENS, "padding": True, "return_tensors": "pt"}
    kinds = {"return_token_type_ids": getattr(encoder.model.config, "type_vocab_size", 0) > 1}
    logits = encoder.model.eval()(**encoder.tokenizer(first, second, **words, **kinds)).logits
    head = [m for m in encoder.model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 2][-1]
    head.bias[0] -= (logits[:, 0] - logits[:, 1]).median() + 1e-4  # no pair stands right on the fence
