"""One process of `benchmarks.processes`, on a core of its own; process 0 prints its examples per second."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.workloads import WORKLOADS


def main() -> int:
    """Trains, as one of several processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("framework", "workload"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("epochs", "port", "process", "processes"):
        parser.add_argument(f"--{name}", required=True, type=int)
    for name in ("folder", "run_dir", "data_dir"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--library", default="xla")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[options.process % len(cores)]})
    speed = {"jaxdl": jaxdl, "torch-ddp": torch_ddp}[options.framework](options)
    if options.process == 0:
        print(speed)
    return 0


def jaxdl(options: Any) -> float:
    """Trains by the command, as a user does; the figure is that of its summary."""
    flags = [f"--experiment={options.workload}", "--platform=cpu", f"--epochs={options.epochs}", "--quiet"]
    flags += [f"--run_dir={options.run_dir}", f"--batch_size={WORKLOADS[options.workload].batch_size}"]
    flags += [f"--coordinator=127.0.0.1:{options.port}", f"--num_processes={options.processes}"]
    flags += [f"--process_id={options.process}", "--join_timeout=600", f"--library={options.library}"]
    flags += [f"--data_dir={options.data_dir}"] if options.data_dir else []
    subprocess.run([sys.executable, "launch.py", *flags], check=True, stdout=subprocess.DEVNULL)
    if options.process:
        return 0.0
    from jaxdl.record import read_progress

    epochs = read_progress(options.run_dir)[1:]
    examples = sum(epoch["examples_per_second"] * epoch["train_seconds"] for epoch in epochs)
    return float(examples / sum(epoch["train_seconds"] for epoch in epochs))


def torch_ddp(options: Any) -> float:
    """Trains with `DistributedDataParallel` over gloo, each process on its share of each batch."""
    import torch
    from torch import distributed, nn

    from benchmarks.frameworks import torch_

    workload = WORKLOADS[options.workload]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    place = f"tcp://127.0.0.1:{options.port}"
    distributed.init_process_group("gloo", init_method=place, rank=options.process, world_size=options.processes)
    inputs, labels = data.load(options.folder, "train")
    inputs, labels = torch.from_numpy(data.as_float(inputs)), torch.from_numpy(labels).long()
    network = nn.parallel.DistributedDataParallel(torch_.network_of(workload))
    share = workload.batch_size // options.processes
    steps = len(labels) // workload.batch_size
    optimizer, schedule = torch_.optimizer_of(network, workload, steps * options.epochs)
    seconds, counted = 0.0, 0
    for epoch in range(options.epochs):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(epoch))
        begin = time.perf_counter()
        for batch in order[: steps * workload.batch_size].split(workload.batch_size):
            own = batch[options.process * share : (options.process + 1) * share]
            output = network(torch_.as_network_takes(inputs[own], workload))
            loss = nn.functional.cross_entropy(output, labels[own])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
        loss.item()
        if epoch:
            seconds, counted = seconds + time.perf_counter() - begin, counted + steps * workload.batch_size
    distributed.destroy_process_group()
    return counted / seconds


if __name__ == "__main__":
    sys.exit(main())
