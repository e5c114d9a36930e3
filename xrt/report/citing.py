"""The methods section of a paper: one paragraph of LaTeX with every number that a reproducibility checklist asks for,
and BibTeX of what a run used.

The checklist is that of Dodge et al. (2019, "Show Your Work") and of the ACL: space, bounds, number of trials, how the
best was selected, seeds, budget, hardware, versions, data.
"""

import re
from collections.abc import Iterator
from importlib.resources import files

from xrt.findings.findings import Findings
from xrt.findings.words import count, show
from xrt.report.paper import latex_text
from xrt.spec.values import Choice, Value

ALWAYS: tuple[str, ...] = (
    "huang-2021-robust",
    "bergstra-2011-algorithms",
    "akiba-2019-optuna",
    "liaw-2018-tune",
    "wolf-2020-transformers",
    "dodge-2019-show",
)
SOFTWARE = ("akiba-2019-optuna", "liaw-2018-tune", "wolf-2020-transformers")
MARK = "\0"  # around keys, in text that is still to be escaped
METHODS = {
    "adversarial": ("madry-2018-towards",),
    "free": ("zhu-2020-freelb",),
    "synonyms": ("alzantot-2018-generating",),
}
TASKS = {"pawsx": "yang-2019-paws", "xnli": "conneau-2018-xnli", "sick": "marelli-2014-sick"}
ENCODERS = {
    "bert-base-multilingual": "devlin-2019-bert",
    "xlm-roberta": "conneau-2020-unsupervised",
    "mdeberta": "he-2023-debertav3",
    "multilingual-e5": "wang-2024-multilingual",
}


def paragraph(found: Findings) -> str:
    """What was done, in sentences, for the methods section or its appendix."""
    parts = [_state, _task, _left_out, _space, _training, _search, _confirmation, _budget, _software]
    text = latex_text(" ".join(line for part in parts for line in part(found)))
    return re.sub(f"{MARK}(.*?){MARK}", r" \\cite{\1}", text)


def bibtex(found: Findings) -> str:
    """The entries of everything that the run used."""
    text = files("xrt.report").joinpath("references.bib").read_text(encoding="utf-8")
    entries = {re.split("[{,]", line)[1]: line for line in text.splitlines()}
    return "\n".join(entries[key] for key in dict.fromkeys(keys(found)))


def keys(found: Findings) -> Iterator[str]:
    """The keys in `references.bib` of what the run used."""
    spec = found.spec
    yield from ALWAYS
    if spec.pruning:
        yield "li-2020-asha"
    if found.confirmation and len(found.confirmation.at) > 1:
        yield "lan-1983-discrete"
    yield from _methods(found)
    if spec.task.name in TASKS:
        yield TASKS[spec.task.name]
    yield from _encoders(found)


def _methods(found: Findings) -> Iterator[str]:
    """The keys of the papers whose methods were compared."""
    space = found.spec.space
    for method in space.method:
        yield from METHODS.get(method, ())
    if any("kl" in str(value.plain()) for _, value in space.values()):
        yield "zhang-2019-trades"


def _encoders(found: Findings) -> Iterator[str]:
    for part, key in ENCODERS.items():
        if any(part in encoder.lower() for encoder in found.spec.space.encoders):
            yield key


def _cite(*keys: str) -> str:
    """Keys between marks, which `paragraph` turns into a citation; nothing if there are no keys."""
    return f"{MARK}{','.join(keys)}{MARK}" if keys else ""


def _state(found: Findings) -> Iterator[str]:
    """What would make the rest of the paragraph wrong in print."""
    if found.meta.status != "finished":
        yield f"[This run is {found.meta.status}: the numbers below will change.]"
    if found.confirmation and found.confirmation.begun and not found.confirmation.learned:
        yield f"[{found.answer.sentence}]"


def _left_out(found: Findings) -> Iterator[str]:
    if found.meta.dropped:
        yield f"Left out by language: {' '.join(found.meta.dropped)}"


def _task(found: Findings) -> Iterator[str]:
    task, arms = found.spec.task, [arm.name for arm in found.spec.arms]
    mixed = sum(a != b for a, b in task.pairs())
    pairs = f" and {count(mixed, 'mixed pair')} of languages" if mixed else ""
    trained = " and ".join(task.sources)
    yield (
        f"We compare {_list(arms)}{_cite('huang-2021-robust', *_methods(found))} on {task.name}"
        f"{_cite(TASKS[task.name]) if task.name in TASKS else ''} (classes: {', '.join(task.labels)}). "
        f"All encoders{_cite(*_encoders(found))} are fine-tuned on {trained} and evaluated zero-shot in "
        f"{count(len(task.languages), 'language')} ({', '.join(task.languages)}){pairs}."
    )


def _space(found: Findings) -> Iterator[str]:
    searched = [f"{_words(name)} {_range(value)}" for name, value in found.spec.values() if value.varies]
    fixed = [
        f"{_words(name)} {_range(value)}" for name, value in found.spec.space.values() if not value.varies
    ]
    yield f"Searched: {'; '.join(searched)}." if searched else "Nothing is searched."
    if fixed:
        yield f"Fixed: {'; '.join(fixed)}."


def _training(found: Findings) -> Iterator[str]:
    known = [(name, value) for name, value in found.spec.training if value != Choice((None,))]
    settings = (f"{_words(name)} {_range(value)}" for name, value in known if not value.varies)
    rows = {data.context: f"{data.rows:,}" for data in found.meta.data}
    yield f"Every training uses AdamW with linear warm-up and decay ({', '.join(settings)})"
    yield f"on {rows.get('training', 'all')} training examples."


def _search(found: Findings) -> Iterator[str]:
    spec, states = found.spec, [trial.state for trial in found.searched]
    each = len(states) / len(spec.arms)
    share = f"{each:.0f}" if each == round(each) else f"{int(each)} or {int(each) + 1}"
    yield (
        f"Each arm is tuned with {share} trials ({len(states)} in all, search seed {spec.search.seed}), proposed by "
        f"TPE{_cite('bergstra-2011-algorithms')} and selected by {spec.metric.words} on the dev split ({spec.metric})."
    )
    if after := found.meta.after:
        yield after.sentence
    if spec.pruning:
        rungs = ", ".join(f"{share:.3g}" for share in spec.rungs)
        yield (
            f"ASHA{_cite('li-2020-asha')} (reduction factor {spec.pruning.reduction}; rungs after {rungs} of a "
            f"training) pruned {count(states.count('pruned'), 'trial')}; {states.count('finished')} finished and "
            f"{states.count('failed')} failed."
        )


def _confirmation(found: Findings) -> Iterator[str]:
    confirmed = found.confirmation
    if confirmed is None:
        yield "Scores are of one seed, on dev; nothing was confirmed on test."
        return
    trials = [trial for trial in found.trials if trial.phase == "confirm"]
    seeds = sorted({trial.seed for trial in trials})
    fewest, most = found.spec.confirm.seeds if found.spec.confirm else (len(seeds), len(seeds))
    more = len(confirmed.at) > 1
    yield (
        f"The best configuration of each arm, and for each robust arm plain fine-tuning with its encoder, learning "
        f"rate and training settings, are trained again with {_seeds(fewest, most)} "
        f"({count(len(trials), 'training')}, seeds {', '.join(map(str, seeds))}) and evaluated on the "
        f"{confirmed.split} split ({count(confirmed.examples, 'aligned example')}), which no selection has seen."
    )
    yield (
        "A robust arm is called better where it beats both baselines: differences are paired by seed and example, "
        "with crossed random effects of seeds and groups of examples, corrected for all claims (Holm)"
        + (
            f" and for looks at {_list(list(map(str, confirmed.at)))} seeds (error spending"
            f"{_cite('lan-1983-discrete')})."
            if more
            else "."
        )
    )
    if found.added:
        yield f"{count(found.added, 'training')} came after the first verdicts had been seen."


def _budget(found: Findings) -> Iterator[str]:
    hours = sum(trial.seconds or 0.0 for trial in found.trials) / 3600
    machine = ", ".join(f"{_words(name)} {value}" for name, value in found.meta.hardware.items())
    devices = sorted({trial.device for trial in found.trials if trial.device})
    hardware = f"trained on {_list(devices)}; {machine}" if devices else machine
    spent = f"{count(len(found.trials), 'training')}, {hours:.1f} hours of trials ({hardware})"
    yield f"Budget{_cite('dodge-2019-show')}: {spent}."


def _software(found: Findings) -> Iterator[str]:
    meta = found.meta
    versions = ", ".join(f"{name} {version}" for name, version in meta.versions.items())
    commit = f", commit {meta.git['commit'][:12]}" if meta.git and meta.git.get("commit") else ""
    data = "; ".join(f"{data.split} {data.rows:,} rows, sha256 {data.digest[:12]}" for data in meta.data)
    yield f"Software{_cite(*SOFTWARE)}: {versions}{commit}. Data: {data}. Run: {meta.name}."


def _seeds(fewest: int, most: int) -> str:
    return f"{fewest} to {most} new seeds" if most > fewest else count(fewest, "new seed")


def _words(name: str) -> str:
    """A field's name in words."""
    return name.replace("_", " ")


def _range(value: Value) -> str:
    if isinstance(value, Choice):
        options = [show(option) for option in value.options]
        return f"one of {_list(options)}" if value.varies else _list(options)
    scale = {"log": "log-uniform", "uniform": "uniform", "int": "a whole number"}[value.scale]
    return f"{scale} in [{value.low:g}, {value.high:g}]"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
