"""How often does a whole study claim what is not there? `python -m tests.bench.pipeline_error [STUDIES]`

In every world no method does anything. Bounds: the search's winner is called better in at most 3.5 % (nominal 2.5 %),
anything is claimed in at most 6 % (nominal 5 %), each with a margin of two standard errors for few studies. `old` is
the rule of the first edition: the best robust trial of one common search against the best plain one, with five seeds.
"""

import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tests.bench.simulated import METRICS, STEPS, WORLDS, Study, World, run_study
from xrt.findings.configurations import difference
from xrt.record.values import TrialRecord

BETTER, ANY = 0.035, 0.06


def old_study(world: World, seed: int) -> bool:
    """Whether the first edition's rule would have called its winner better: random proposals, one ASHA for all methods
    by the share of the training, the best finished robust trial against the best finished plain one.
    """
    study = Study(world, np.random.default_rng(seed))
    rng, spec, seen = study.rng, study.spec, {}
    finished: list[TrialRecord] = []
    pruned: list[TrialRecord] = []
    for number in range(world.trials):
        arm = list(spec.space.method)[int(rng.integers(len(spec.space.method)))]
        params = {"method": arm, "encoder": str(rng.choice(spec.space.encoders))}
        params["learning_rate"] = float(np.exp(rng.uniform(np.log(1e-5), np.log(5e-5))))
        extra = {"adversarial": {"radius": 0.1, "steps": 1}, "noise": {"scale": 1.0}}.get(arm, {})
        extra = {"copies": int(rng.choice([1, 3, 10]))} if arm == "synonyms" else extra
        params |= {f"{arm}.{name}": value for name, value in extra.items()}
        trial = TrialRecord(f"{number:04d}", params, {}, 7)
        luck, copies = rng.normal(0, world.seed), extra.get("copies", 1)
        for rung, share in enumerate((1 / 9, 1 / 3, 1.0)):
            report = study._report(trial, rung, share, round(share * STEPS * copies), luck, 0.0)
            trial = trial.reported(report)
            score, others = report.metrics["dev/mean/mixed"], seen.setdefault(rung, [])
            stopped = share < 1 and others and score < np.percentile(others, 100 * (1 - 1 / 3))
            others.append(score)
            if stopped:
                pruned.append(trial)
                break
        else:
            finished.append(trial)
    best = sorted(finished, key=lambda t: -t.score("dev/mean/mixed"))
    robust, plain = (
        next((t for t in best if (t.method == "plain") == wanted), None) for wanted in (False, True)
    )
    # Where no plain trial finished, the baseline was the one that came furthest.
    furthest = [t for t in pruned if t.method == "plain"]
    plain = plain or max(furthest, key=lambda t: (len(t.reports), t.score("dev/mean/mixed")), default=None)
    if robust is None or plain is None or best[0] is plain:
        return False
    for seed in range(5):
        for trial in (robust, plain):
            study.train(trial.id, trial.params, seed)
    gain = difference(study.trained[robust.id], study.trained[plain.id], METRICS[0])
    return gain.p < 0.05 and gain.mean > 0


def main(studies: int = 200) -> int:
    missed = False
    print(f"{studies} studies a world")
    print(f"{'world':44} better    any   trainings    old")
    with ProcessPoolExecutor(2) as pool:
        for name, world in WORLDS.items():
            seeds = range(studies)
            found = list(pool.map(run_study, [world] * studies, seeds, chunksize=10))
            old = np.mean(list(pool.map(old_study, [world] * studies, seeds, chunksize=10)))
            better, claimed = (
                np.mean([getattr(o, key) for o in found]) for key in ("winner_better", "any_claim")
            )
            cost = np.mean([o.cost for o in found])
            print(f"{name:44} {better:6.1%} {claimed:6.1%} {cost:11.1f} {old:6.1%}", flush=True)
            missed |= better > BETTER + 2 * np.sqrt(BETTER / studies) or claimed > ANY + 2 * np.sqrt(
                ANY / studies
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
