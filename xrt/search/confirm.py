"""Proposes the trainings that the next look of the confirmation needs; `findings.confirming` decides which."""

from collections.abc import Sequence

from xrt.findings.candidates import rules_of
from xrt.findings.confirming import Wanted
from xrt.record.values import TrialRecord
from xrt.search.book import Propose
from xrt.search.sampler import Proposal
from xrt.spec.arms import PLAIN
from xrt.spec.study import StudySpec


def proposing(wanted: Sequence[Wanted]) -> Propose:
    """Proposes, in order, the wanted trainings that the record lacks."""
    proposals = [Proposal(f"{w.configuration}-s{w.seed}", w.configuration, w.params, w.seed) for w in wanted]

    def propose(trials: Sequence[TrialRecord], standings: object = None) -> Proposal | None:
        known = {trial.id for trial in trials}
        return next((proposal for proposal in proposals if proposal.id not in known), None)

    return propose


def chosen_otherwise(spec: StudySpec) -> int:
    """How many configurations the rules without labelled target sentences may add to the best of the arms."""
    return len(rules_of(spec)) - 1


def most_configurations(spec: StudySpec) -> int:
    """The best of every arm, the ablation of every robust one, and the choices of the other rules."""
    robust = sum(arm.method != PLAIN for arm in spec.arms)
    return len(spec.arms) + robust + chosen_otherwise(spec) if spec.confirm else 0
