"""A sequence of 0 and 1: a recurrent network predicts the next bit at every step.

    python launch.py --experiment=bits_rnn

EXPECT
"""

from jaxdl import RNN, Adam, Bits, Cosine, Experiment, SigmoidCrossEntropy, Training


def bits_rnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="bits_rnn",
        data=Bits(),
        model=RNN(features=(64,), cell="gru", every_step=True),
        objective=SigmoidCrossEntropy(),
        optimizer=Adam(learning_rate=5e-3, schedule=Cosine(), clip_norm=1.0),
        training=Training(epochs=15, batch_size=64, watch="validation/loss"),
        metrics=("accuracy",),
    )
