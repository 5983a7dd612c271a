#!/bin/bash
# A sweep on a Ray cluster that runs: RAY_API_SERVER_ADDRESS=http://HEAD:8265 bash examples/cluster/ray_job.sh
#
# The job is the client of the cluster: if it is lost, the same line continues the sweep. jaxdl is installed on all nodes.
set -euo pipefail

ray job submit --no-wait -- \
    python -m jaxdl --experiment=mnist_mlp --data_dir=/shared/data --sweep_dir=/shared/runs/mnist_mlp/ray \
    --sweep='learning_rate=log(1e-4,1e-1)' --sweep=seed=0:3 --sweep_mode=random --trials=60 \
    --executor=ray --ray_address=auto --trial_devices=2 --tag=ray
