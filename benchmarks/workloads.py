"""The compared recipes, independent of any framework, and figures computed from them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Conv:
    """A convolution of stride 1 without padding, with bias, followed by relu."""

    features: int
    kernel: int = 3


@dataclass(frozen=True)
class Pool:
    """The maximum of windows that do not overlap; incomplete windows at the right and lower edge are left out."""

    window: int = 2


@dataclass(frozen=True)
class Dropout:
    """In training, sets a fraction of the activations to zero."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A dense layer with bias, followed by relu; inputs of several axes are flattened."""

    units: int


@dataclass(frozen=True)
class Recurrent:
    """A recurrence over time; its output is the last state, or that of each direction if there are two.

    The GRU is cuDNN's variant: reset after the product (``reset_after`` in Keras), with two biases.
    """

    cell: Literal["lstm", "gru"]
    units: int
    bidirectional: bool = False


Layer = Conv | Pool | Dropout | Dense | Recurrent


@dataclass(frozen=True)
class Adam:
    """Adam with b1 0.9, b2 0.999 and eps 1e-8, decoupled weight decay on kernels, and a schedule over all steps.

    Attributes:
        learning_rate: size of a step before the schedule's factor.
        schedule: the full learning rate at each step, or half a cosine down to 0.
        warmup: fraction of all steps for a linear rise from 0.
        weight_decay: fraction of each weight subtracted in a step, times the learning rate; biases are not decayed.
        clip_norm: largest norm of all gradients together; None: no limit.
    """

    learning_rate: float
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None

    def warmup_steps(self, total_steps: int) -> int:
        """Returns the number of steps of the warm-up."""
        return min(round(self.warmup * total_steps), total_steps - 1)

    def factor(self, step: int, total_steps: int) -> float:
        """Returns the learning rate's factor after the given number of steps."""
        warmup = self.warmup_steps(total_steps)
        if step < warmup:
            return step / warmup
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (total_steps - warmup))))


@dataclass(frozen=True)
class Workload:
    """One recipe, and how to measure it.

    A dense layer of `classes` outputs follows the last layer, and softmax cross-entropy is minimised.

    Attributes:
        data: ``mnist``, or the kind of generated data: ``gratings`` or ``waves`` (see `benchmarks.data`).
        input_shape: shape of one example; images are uint8 and are scaled to [0, 1] for the network.
        layers: the hidden layers.
        batch_size: examples in one step.
        epochs: epochs of the schedule, and the maximum of the accuracy job.
        train_examples: size of the train split.
        test_examples: size of the test split.
        speed_steps: steps of one epoch of the speed job on a CPU; its train split is shortened to that many full
            batches.
        target: test accuracy at which the accuracy job's clock stops.
        compare_epochs: epochs after which the accuracies of all frameworks are compared.
        tolerance: largest allowed difference of an accuracy from the median of all.
        classes: size of the last layer.
    """

    data: Literal["mnist", "gratings", "waves"]
    input_shape: Shape
    layers: tuple[Layer, ...]
    batch_size: int
    optimizer: Adam
    epochs: int
    train_examples: int
    test_examples: int
    speed_steps: int
    target: float
    compare_epochs: int
    tolerance: float
    classes: int = 10

    def speed_examples(self, device: str) -> int:
        """Returns the size of the train split in the speed job; on a GPU it uses all full batches."""
        steps = self.train_examples // self.batch_size
        return self.batch_size * (min(steps, self.speed_steps) if device == "cpu" else steps)

    @property
    def parameters(self) -> int:
        """The number of parameters, with one bias in an LSTM and two in a GRU."""
        return sum(layer.parameters for layer in self._costs())

    def framework_parameters(self, framework: str) -> int:
        """Returns how many parameters a framework's own layers have for this recipe.

        They differ only in the biases of recurrent layers: PyTorch's LSTM has a second, redundant one, and Flax's GRU
        has the recurrent one only for the candidate gate.
        """
        biases = {("lstm", "torch"): 4, ("lstm", "torch-compile"): 4, ("gru", "flax"): -2}
        extra = 0
        for layer in self.layers:
            if isinstance(layer, Recurrent):
                extra += biases.get((layer.cell, framework), 0) * layer.units * (1 + layer.bidirectional)
        return self.parameters + extra

    @property
    def train_flops(self) -> int:
        """Floating-point operations of the matrix products and convolutions in training on one example.

        Two for each multiply-add. A layer's backward pass costs twice its forward pass, once for the gradient of its
        parameters and once for that of its inputs; the first layer needs no gradient of its inputs. Activations,
        pooling, biases, the loss and the optimizer are left out.
        """
        costs = [cost for cost in self._costs() if cost.multiply_adds]
        return 2 * (3 * sum(cost.multiply_adds for cost in costs) - costs[0].input_multiply_adds)

    def _costs(self) -> list[_Cost]:
        costs, shape = [], self.input_shape
        for layer in (*self.layers, Dense(self.classes)):
            cost = _cost(layer, shape)
            costs.append(cost)
            shape = cost.shape
        return costs


@dataclass(frozen=True)
class _Cost:
    """One layer's output shape, parameters, and multiply-adds forward on one example.

    `input_multiply_adds` are those with the layer's inputs: all except a recurrent layer's with its own state.
    """

    shape: Shape
    parameters: int = 0
    multiply_adds: int = 0
    input_multiply_adds: int = 0


def _cost(layer: Layer, shape: Shape) -> _Cost:
    match layer:
        case Conv(features, kernel):
            height, width, channels = shape
            out = (height - kernel + 1, width - kernel + 1, features)
            weights = kernel * kernel * channels * features
            products = out[0] * out[1] * weights
            return _Cost(out, weights + features, products, products)
        case Pool(window):
            return _Cost((shape[0] // window, shape[1] // window, shape[2]))
        case Dropout():
            return _Cost(shape)
        case Dense(units):
            weights = math.prod(shape) * units
            return _Cost((units,), weights + units, weights, weights)
        case Recurrent(cell, units, bidirectional):
            gates, biases = {"lstm": (4, 1), "gru": (3, 2)}[cell]
            directions = 1 + bidirectional
            time, features = shape[0], math.prod(shape[1:])
            width = directions * gates * units
            parameters = width * (features + units + biases)
            return _Cost((directions * units,), parameters, time * width * (features + units), time * width * features)


_MNIST = Workload(
    data="mnist",
    input_shape=(28, 28, 1),
    layers=(Conv(32), Conv(64), Pool(), Dropout(0.25), Dense(128), Dropout(0.5)),
    batch_size=128,
    optimizer=Adam(2e-3, "cosine", warmup=0.05, weight_decay=1e-4),
    epochs=10,
    train_examples=55_000,
    test_examples=10_000,
    speed_steps=40,
    target=0.985,
    compare_epochs=2,
    tolerance=0.01,
)
_WAVES = Workload(
    data="waves",
    input_shape=(200, 16),
    layers=(Recurrent("gru", 128),),
    batch_size=64,
    optimizer=Adam(1e-3),
    epochs=10,
    train_examples=6_400,
    test_examples=1_000,
    speed_steps=50,
    target=0.95,
    compare_epochs=3,
    tolerance=0.05,
    classes=5,
)
_GRATINGS = Workload(
    data="gratings",
    input_shape=(64, 64, 3),
    layers=(Conv(32), Pool(), Dense(128)),
    batch_size=32,
    optimizer=Adam(1e-3),
    epochs=10,
    train_examples=4_096,
    test_examples=1_000,
    speed_steps=100,
    target=0.95,
    compare_epochs=3,
    tolerance=0.05,
)

# Workloads on MNIST are the recipes of the same names in experiments/ (tests/benchmarks/ compares them).
WORKLOADS: dict[str, Workload] = {
    "mnist_cnn": _MNIST,
    "mnist_cnn_small": dataclasses.replace(
        _MNIST,
        layers=(Conv(32), Pool(), Conv(64), Pool()),
        batch_size=32,
        optimizer=Adam(1e-3, "cosine"),
        speed_steps=400,
    ),
    "mnist_mlp": dataclasses.replace(
        _MNIST,
        layers=(Dense(128),),
        batch_size=32,
        optimizer=Adam(2e-3, "cosine"),
        epochs=5,
        speed_steps=1718,
        target=0.97,
    ),
    "mnist_rnn": dataclasses.replace(
        _MNIST,
        layers=(Recurrent("lstm", 128),),
        optimizer=Adam(3e-3, "cosine", clip_norm=1.0),
        speed_steps=200,
        target=0.97,
        compare_epochs=3,
    ),
    "gru_200": _WAVES,
    "bilstm_200": dataclasses.replace(_WAVES, layers=(Recurrent("lstm", 128, bidirectional=True),)),
    "cnn_64": _GRATINGS,
    "cnn_224": dataclasses.replace(
        _GRATINGS,
        input_shape=(224, 224, 3),
        layers=(Conv(32), Pool(), Conv(64), Pool(), Conv(128), Pool(), Dense(128)),
        train_examples=768,
        test_examples=256,
        speed_steps=6,
    ),
    "tiny": dataclasses.replace(
        _GRATINGS,
        input_shape=(16, 16, 1),
        layers=(Conv(8), Pool(), Dense(64)),
        optimizer=Adam(3e-3),
        train_examples=1_600,
        test_examples=500,
        speed_steps=50,
        compare_epochs=8,
    ),
}
# Too small to compare speed: when it is requested, it shows in seconds that a comparison works.
TINY = "tiny"
