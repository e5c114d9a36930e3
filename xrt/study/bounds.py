"""The bounds of a run that may be raised after it began: trials of its search, seeds of its confirmation."""

from collections.abc import Sequence
from typing import Any

from xrt.errors import SpecError
from xrt.record.run import Run
from xrt.spec.overrides import Override, read_override
from xrt.spec.sections import checked_seeds

Field = tuple[str, ...]
TRIALS: Field = ("search", "trials")
SEEDS: Field = ("confirm", "seeds")


def raised(run: Run, overrides: Sequence[str], allowed: Sequence[Field]) -> dict[str, Any]:
    """What `--set` changes in the run's record: `trials`, `seeds`.

    Args:
        overrides: `search.trials=60`, or `search.trials=+24` for so many more; `confirm.seeds=[5, 10]`, or
            `confirm.seeds=+2` for so many more of both.

    Raises:
        SpecError: one names another field, or has a value that is not allowed.
    """
    changes: dict[str, Any] = {}
    if run.spec.confirm is None and (TRIALS not in allowed or any("confirm.seeds" in o for o in overrides)):
        raise SpecError(f"{run.name}: the study has no confirmation (confirm: null); run it with one.")
    for text in overrides:
        override = read_override(text)
        if override.field not in allowed:
            names = " and ".join(".".join(field) for field in allowed)
            raise SpecError(f"--set: {'.'.join(override.field)}: is fixed in a run; only {names} can change.")
        more = text.partition("=")[2].strip().startswith("+")
        if override.field == TRIALS:
            changes["trials"] = _trials(run, override, more)
        else:
            changes["seeds"] = _seeds(run, override, more)
    return changes


def _trials(run: Run, override: Override, more: bool) -> int:
    now, value = run.spec.search.trials, override.value
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or (value < 1 if more else value < now):
        allowed = f"{now} or more, or +N for so many more than the {now} of {run.name}"
        raise SpecError(f"--set: search.trials: {value!r} is not allowed; {allowed}.")
    return int(now + value if more else value)


def _seeds(run: Run, override: Override, more: bool) -> tuple[int, int]:
    now, value = run.spec.confirm, override.value
    if not (more and now and isinstance(value, int)):
        return checked_seeds(value)
    return checked_seeds([now.seeds[0] + value, now.seeds[1] + value])


def as_overrides(run: Run) -> list[str]:
    """The bounds that were raised, for a run that repeats this one."""
    trials = [] if run.meta.trials is None else [f"search.trials={run.meta.trials}"]
    return trials + ([] if run.meta.seeds is None else [f"confirm.seeds={list(run.meta.seeds)}"])
