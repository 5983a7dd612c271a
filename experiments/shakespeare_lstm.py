"""Plays of Shakespeare, character by character: an LSTM predicts the next character, and writes text of its own.

python launch.py --experiment=shakespeare_lstm --data=text:PATH --level=character
"""

from jaxdl import RNN, Adam, Cosine, Experiment, SoftmaxCrossEntropy, Text, Training


def shakespeare_lstm() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="shakespeare_lstm",
        data=Text("play.txt", stretches=20, test=0.1, fallback="embedded"),
        model=RNN(features=(256,), cell="lstm", every_step=True, embed=64, dropout=0.2),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=5e-3, schedule=Cosine(), clip_norm=1.0),
        training=Training(epochs=8, batch_size=32),
        metrics=("bits_per_step", "accuracy"),
    )
