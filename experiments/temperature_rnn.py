"""The lowest temperature of the next day, from those of the last 30 days, with a recurrent network.

    python launch.py --experiment=temperature_rnn --data=series:PATH

Recipe: daily minimum temperatures of Melbourne, 1981 to 1990, a series of many texts on forecasting (3,650 rows with
the columns Date and Temp, without the last days of 1984 and 1988; windows across these are left out). A GRU of 32
units, Adam with a cosine, batch 32, 10 epochs; window, units and epochs were chosen on validation. The last fifth of
the days is the test split.
Expected: test mean absolute error 1.716 degrees (median; 1.712 to 1.722) and root mean squared error 2.179 (2.173 to
2.182), measured over the seeds 0, 1 and 2 on the 700 windows of test (CPU, jax 0.10.2). The naive forecast, that
tomorrow is as today, has 1.951 and 2.486 there; the temperature of a year ago has 2.957 and 3.718.
Where there is no file daily-min-temperatures.csv, and none is named, a generated sine with noise stands in: its name is
shown with every figure, and no figure on it says anything about the weather.
"""

from jaxdl import RNN, Adam, Cosine, Experiment, MeanSquaredError, Series, Training


def temperature_rnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="temperature_rnn",
        data=Series("daily-min-temperatures.csv", window=30, season=365, gaps="skip", fallback="embedded"),
        model=RNN(features=(32,), cell="gru"),
        objective=MeanSquaredError(),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=Training(epochs=10, batch_size=32),
        metrics=("mean_absolute_error", "root_mean_squared_error"),
    )
