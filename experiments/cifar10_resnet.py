"""Photographs of 32x32 pixels in ten classes with ResNet-20, the smallest residual network of its paper.

    python launch.py --experiment=cifar10_resnet
    python launch.py --experiment=cifar10_resnet --depth=56

Recipe: He et al. 2015, arXiv:1512.03385, section 4.2: 45,000 examples to train on and 5,000 to validate, SGD with
momentum 0.9, learning rate 0.1, divided by 10 after 32,000 and 48,000 of 64,000 steps (here as shares of 182 epochs,
which are 64,064), batch 128, flips, and crops of images padded by 4 pixels. Two things differ. Weight decay there is
part of the gradient: 1e-4 times a weight enters a momentum that adds up to ten of them, so here, where it is decoupled
from the momentum, it is 1e-3, on weights only. And the paper subtracts the mean of each pixel; here pixels are in
[0, 1], which the first normalisation makes up for.
Expected on CIFAR-10: a test accuracy of 0.9125 is the paper's own figure (table 6). It was not measured with this
recipe. If CIFAR-10 is not available, generated pictures of coloured shapes replace it: they show that everything runs,
their name is shown with every figure, and no figure on them says anything about CIFAR-10.
"""

from jaxdl import SGD, Augmentation, Experiment, Piecewise, ResNet, SoftmaxCrossEntropy, Tfds, Training


def cifar10_resnet() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="cifar10_resnet",
        data=Tfds("cifar10"),
        model=ResNet(depth=20),
        objective=SoftmaxCrossEntropy(),
        optimizer=SGD(
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=1e-3,
            schedule=Piecewise(boundaries=(0.5, 0.75), factors=(0.1, 0.01)),
        ),
        augmentation=Augmentation(flip="horizontal", shift=4),
        training=Training(epochs=182, batch_size=128),
        metrics=("accuracy", "f1", "confusion"),
    )
