"""Spoken digits: a recurrent network reads the log-mel spectrogram of a recording and names the digit.

    python launch.py --experiment=spoken_digit_rnn
    python launch.py --experiment=spoken_digit_rnn --data=audio:recordings \
        --data.label_pattern='^(?P<label>[0-9])_' --data.test_pattern='_[0-4][.]wav'

Recipe: a GRU of 64 units in each direction, as in many texts on recurrent networks for speech, over 64 mel bands in
frames of 25 ms every 10 ms, Adam with a cosine, batch 64. Of five recipes (64 or 128 units, one direction or two,
learning rates 0.002 and 0.005, 10 to 20 epochs) it is the smallest whose accuracy on validation was 1 with seed 0,
tried with batches of mixed lengths. The second command reads the same recordings from a folder.
Expected on the Free Spoken Digit Dataset (2,250 recordings to train and validate on; recordings 0 to 4 of each of five
speakers and ten digits, 250, to test on): test accuracy 0.9960 (median; 0.9920 to 1.0000), measured over the seeds 0, 1
and 2 on all 250 test recordings after 12 epochs (CPU, jax 0.10.2). Its speakers are those of train: the figure says
nothing about other voices.
Where the set is not available, generated words of two vowels stand in: their name is shown with every figure, and no
figure on them says anything about spoken digits.
"""

from jaxdl import RNN, Adam, Cosine, Experiment, SoftmaxCrossEntropy, SpokenDigit, Training


def spoken_digit_rnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="spoken_digit_rnn",
        data=SpokenDigit(),
        model=RNN(features=(64,), cell="gru", bidirectional=True),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=5e-3, schedule=Cosine(), clip_norm=1.0),
        training=Training(epochs=12, batch_size=64),
        metrics=("accuracy", "f1", "confusion"),
    )
