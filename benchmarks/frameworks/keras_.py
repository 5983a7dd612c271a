"""Keras 3 on TensorFlow, JAX or PyTorch: `compile` and `fit` on arrays, as in its guides.

``jit_compile="auto"``, the default, and several steps per execution if that is faster. Inputs are NumPy arrays. The
accuracy job passes the test split as `validation_data`. Accuracy is also measured in training, as in Keras's guides.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks import data
from benchmarks.recorder import Recorder
from benchmarks.task import Task
from benchmarks.workloads import Conv, Dense, Dropout, Pool, Recurrent, Workload

_EVAL_BATCH = 500
# On a CPU of 2 cores, 16 instead of 1 made mnist_mlp 2 times as fast on TensorFlow and 1.5 times on JAX; 64 was no
# faster. On mnist_cnn_small the difference was below that between runs. On PyTorch, Keras allows only 1.
_STEPS_PER_EXECUTION = {"tensorflow": 16, "jax": 16, "torch": 1}


def network_of(keras: Any, workload: Workload) -> Any:
    """Returns the workload's layers and the dense output layer, whose logits are float32."""
    layers = keras.layers
    stack = [keras.Input(workload.input_shape)]
    if isinstance(workload.layers[0], Recurrent) and len(workload.input_shape) == 3:
        stack.append(layers.Reshape((workload.input_shape[0], -1)))
    for layer in workload.layers:
        match layer:
            case Conv(features, kernel):
                stack.append(layers.Conv2D(features, kernel, activation="relu"))
            case Pool(window):
                stack.append(layers.MaxPooling2D(window))
            case Dropout(rate):
                stack.append(layers.Dropout(rate))
            case Dense(units):
                stack += [layers.Flatten(), layers.Dense(units, activation="relu")]
            case Recurrent(cell, units, bidirectional):
                rnn = {"lstm": layers.LSTM, "gru": layers.GRU}[cell](units)
                stack.append(layers.Bidirectional(rnn) if bidirectional else rnn)
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(workload.classes, dtype="float32")])


def optimizer_of(keras: Any, workload: Workload, total_steps: int) -> Any:
    """Returns the workload's optimizer in Keras."""
    adam = workload.optimizer
    rate: Any = adam.learning_rate
    if adam.schedule == "cosine":
        warmup = adam.warmup_steps(total_steps)
        start = 0.0 if warmup else adam.learning_rate
        warm = {"warmup_target": adam.learning_rate, "warmup_steps": warmup} if warmup else {}
        rate = keras.optimizers.schedules.CosineDecay(start, total_steps - warmup, **warm)
    common = {"learning_rate": rate, "epsilon": 1e-8, "global_clipnorm": adam.clip_norm}
    if not adam.weight_decay:
        return keras.optimizers.Adam(**common)
    optimizer = keras.optimizers.AdamW(weight_decay=adam.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def run(task: Task, recorder: Recorder) -> None:
    """Trains for `task` and reports to `recorder`."""
    backend = task.framework.partition("-")[2]
    os.environ["KERAS_BACKEND"] = backend
    import keras

    recipe = task.recipe
    keras.utils.set_random_seed(task.seed)
    if task.precision == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    inputs, labels = data.load(task.data_folder, "train", task.train_examples)
    inputs = data.as_float(inputs)
    steps = -(-len(labels) // recipe.batch_size)
    network = network_of(keras, recipe)
    recorder.parameters = network.count_params()
    recorder.library = backend
    network.compile(
        optimizer=optimizer_of(keras, recipe, steps * task.epochs),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=_STEPS_PER_EXECUTION[backend],
    )
    validation: dict[str, Any] = {}
    if task.job == "accuracy":
        test_inputs, test_labels = data.load(task.data_folder, "test")
        validation = {
            "validation_data": (data.as_float(test_inputs), test_labels),
            "validation_batch_size": _EVAL_BATCH,
        }

    class Clock(keras.callbacks.Callback):
        """Reports to the recorder."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            recorder.begin_epoch()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            recorder.first_step()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert logs is not None
            self.model.stop_training = not recorder.end_epoch(lambda: logs["val_accuracy"])

    network.fit(
        inputs,
        labels,
        batch_size=recipe.batch_size,
        epochs=task.epochs,
        verbose=0,
        callbacks=[Clock()],
        **validation,
    )
