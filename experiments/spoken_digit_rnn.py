"""Spoken digits."""

from jaxdl import RNN, Adam, Cosine, Experiment, SoftmaxCrossEntropy, SpokenDigit, Training


def spoken_digit_rnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="spoken_digit_rnn",
        data=SpokenDigit(),
        model=RNN(features=(128,), cell="gru", bidirectional=True),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine(), clip_norm=1.0),
        training=Training(epochs=20, batch_size=64),
        metrics=("accuracy", "f1", "confusion"),
    )
