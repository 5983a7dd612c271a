"""The sentiment of sentences: an LSTM reads the words of a sentence and says whether it praises or blames.

python launch.py --experiment=sentiment_lstm --data=text:PATH
"""

from jaxdl import RNN, Adam, Experiment, SoftmaxCrossEntropy, Text, Training


def sentiment_lstm() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="sentiment_lstm",
        data=Text("reviews", fallback="embedded"),
        model=RNN(features=(64,), cell="lstm", embed=64, bidirectional=True, pool="max", dropout=0.5),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=1e-3, clip_norm=1.0),
        training=Training(epochs=8, batch_size=64, watch="validation/accuracy", final="best"),
    )
