#!/usr/bin/env bash
# Library: ray 2.60.0 (ray.tune: ASHAScheduler with OptunaSearch) and optuna 5.0.0.
# Behaviour: a trial that ASHA stops is told to Optuna as COMPLETE, with the figure of the epoch at which it was stopped,
#   although other figures of the study are those of whole trainings. Optuna's own pruner of the same method leaves it as
#   PRUNED, and TPE ranks such trials apart. So the sampler takes a short training for a finished one, `best_trial` may be
#   one, and a study that is read later does not say which trials were stopped. No warning says so.
# Seen: optuna with ray: epochs 9, 1, 1: COMPLETE, COMPLETE, COMPLETE
#       optuna alone: epochs 9, 1, 1: COMPLETE, PRUNED, PRUNED
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "ray[tune]==2.60.0" optuna==5.0.0
cat >"$folder/search.py" <<'PYTHON'
import logging

import optuna
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

EPOCHS, RATES = 9, (0.9, 0.5, 0.1)


def accuracy(rate, epoch):
    return rate * (1 - 0.5**epoch)


def train(config):
    for epoch in range(1, EPOCHS + 1):
        tune.report({"accuracy": accuracy(config["rate"], epoch), "epoch": epoch})


def show(name, epochs, states):
    print(f"{name}: epochs {', '.join(map(str, epochs))}: {', '.join(states)}")


optuna.logging.set_verbosity(optuna.logging.ERROR)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
search = OptunaSearch(metric="accuracy", mode="max", points_to_evaluate=[{"rate": rate} for rate in RATES])
asha = ASHAScheduler("epoch", "accuracy", "max", max_t=EPOCHS, grace_period=1, reduction_factor=3)
results = tune.Tuner(
    train,
    param_space={"rate": tune.uniform(0, 1)},
    tune_config=tune.TuneConfig(search_alg=search, scheduler=asha, num_samples=3, max_concurrent_trials=1),
    run_config=tune.RunConfig(verbose=0, storage_path=f"{__file__}.results"),
).fit()
epochs = {result.config["rate"]: result.metrics["epoch"] for result in results}
states = [trial.state.name for trial in search._ot_study.trials]
show("optuna with ray", [epochs[rate] for rate in RATES], states)


def objective(trial):
    rate = trial.suggest_float("rate", 0, 1)
    for epoch in range(1, EPOCHS + 1):
        trial.report(accuracy(rate, epoch), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy(rate, EPOCHS)


pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
study = optuna.create_study(direction="maximize", pruner=pruner)
for rate in RATES:
    study.enqueue_trial({"rate": rate})
study.optimize(objective, n_trials=len(RATES))
show("optuna alone", [trial.last_step for trial in study.trials], [trial.state.name for trial in study.trials])
PYTHON
found="$(cd "$folder" && venv/bin/python search.py 2>/dev/null | grep '^optuna')"
echo "$found"
[ "$found" = "optuna with ray: epochs 9, 1, 1: COMPLETE, COMPLETE, COMPLETE
optuna alone: epochs 9, 1, 1: COMPLETE, PRUNED, PRUNED" ]
