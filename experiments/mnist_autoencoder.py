"""Handwritten digits through 32 numbers and back: an autoencoder learns what makes up a digit, without labels.

    python launch.py --experiment=mnist_autoencoder
    python launch.py --mode=predict --run_dir=DIR --input=DIGITS --output=digits.csv

Recipe: dense layers 784-128-64-32-64-128-784 with ReLU and a sigmoid at the end, after Hinton and Salakhutdinov 2006,
"Reducing the dimensionality of data with neural networks", but trained as a whole, with the mean squared error, Adam
and a cosine (batch 128, 20 epochs). The report shows digits above their reconstructions.
Expected
"""

from jaxdl import Adam, Autoencoder, Cosine, Experiment, Reconstruction, Tfds, Training


def mnist_autoencoder() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="mnist_autoencoder",
        data=Tfds("mnist", validation=1 / 12),
        model=Autoencoder(features=(128, 64, 32)),
        objective=Reconstruction(),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=Training(epochs=20, batch_size=128),
        metrics=("mean_squared_error",),
    )
