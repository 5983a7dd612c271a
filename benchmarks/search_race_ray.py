"""The search with Ray Tune and PyTorch in `benchmarks.search_race`; prints a line of JSON for each setting that ended.

    python -m benchmarks.search_race_ray DATA.npz --space=digits_mlp --seconds=600 --seed=0

As Ray's guides advise: ASHA as the scheduler, Optuna's TPE as the search, data in the object store, and one trial for
each core, each with one thread. Processes are used again for later trials, so that PyTorch is imported once in each;
nothing is logged, and trials report only where ASHA compares them. Training is that of
`benchmarks.search_race_torch`. It needs NumPy, Optuna, PyTorch and Ray, and nothing of jaxdl.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from typing import Any

from benchmarks import search_race_torch
from benchmarks.search_race_spaces import KEPT_OF, SPACES, SearchSpace

_OBJECTS = 400 * 2**20  # bytes of the object store: MNIST in float32 takes 220 million, and needs no more room
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
}


def _trial(config: Mapping[str, Any], name: str, data: Any, seed: int) -> None:
    """Trains one setting, in a worker process; the arrays lie in memory that all processes share."""
    import torch
    from ray import tune

    torch.set_num_threads(1)
    splits = search_race_torch.as_tensors(SPACES[name], data)

    def report(epoch: int, figure: float) -> None:
        tune.report({"accuracy": figure, "epoch": epoch})

    own = zlib.crc32(json.dumps([seed, config], sort_keys=True).encode())  # another one for each setting
    search_race_torch.train(SPACES[name], splits, config, own, report)


def _space_of(space: SearchSpace) -> dict[str, Any]:
    from ray import tune

    found: dict[str, Any] = {name: tune.loguniform(*bounds) for name, bounds in space.logarithmic.items()}
    found |= {name: tune.uniform(*bounds) for name, bounds in space.uniform.items()}
    return found | {name: tune.choice(list(values)) for name, values in space.listed.items()}


def search(name: str, data: Any, seconds: float, seed: int, began: float, folder: str) -> None:
    """Searches until the time is over.

    Args:
        name: of the space.
        data: of `search_race_torch.load`.
        seconds: after `began`, when the search ends.
        seed: of the search.
        began: when it began, in seconds since 1970.
        folder: for Ray's files; its path must be short.
    """
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    space = SPACES[name]
    cores = len(os.sched_getaffinity(0))
    ray.init(
        address="local",
        num_cpus=cores,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_OBJECTS,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
    )

    class Told(tune.Callback):
        """Prints each trial that ended."""

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            if "accuracy" in trial.last_result:
                last = trial.last_result
                search_race_torch.say(last["accuracy"], trial.config, last["epoch"] == space.epochs, began)

    trial = tune.with_parameters(_trial, name=name, data=data, seed=seed)
    tuner = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space=_space_of(space),
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            search_alg=OptunaSearch(seed=seed),
            scheduler=ASHAScheduler("epoch", max_t=space.epochs, grace_period=1, reduction_factor=KEPT_OF),
            num_samples=-1,
            max_concurrent_trials=cores,
            time_budget_s=max(1.0, began + seconds - time.time()),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name="race", storage_path=folder, callbacks=[Told()], verbose=0),
    )
    tuner.fit()
    ray.shutdown()


def main(arguments: list[str]) -> None:
    """Searches."""
    os.environ.update(_QUIET)
    options = search_race_torch.parser_of(__doc__).parse_args(arguments)
    data = search_race_torch.load(options.data)
    # Paths of sockets are at most 107 bytes long, and Ray adds about 70.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        search(options.space, data, options.seconds, options.seed, options.began, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
