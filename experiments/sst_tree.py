"""Sentiment of sentences by their parse trees: a Tree-LSTM on the Stanford Sentiment Treebank.

    python launch.py --experiment=sst_tree --data=trees:PATH

PATH is the folder of ``train.txt``, ``dev.txt`` and ``test.txt``, with a tree in brackets in each line.

Recipe: the binary Tree-LSTM of Tai et al. 2015 (arXiv:1503.00075, section 3.2), trained on the labels of all nodes in
batches of 25, as there. Different from the paper: words' vectors are learnt and not pretrained, they and the states
have 64 units (the paper: 300 and 150), and Adam with dropout 0.5 takes the place of Adagrad. Sizes, learning rate and
number of epochs were chosen on validation; the epoch with the best root accuracy on validation is tested.
Expected on the treebank (8,544 trees to train on, 1,101 to validate, 2,210 to test; Socher et al. 2013): root accuracy
of the 5 classes on test 0.4606 (median; 0.4579 to 0.4611), on validation 0.4641, accuracy over all nodes of test
0.8066, measured over the seeds 0, 1 and 2 (CPU, jax 0.10.2). The commonest class of test roots has a share of 0.29.
Where no file is named, and there is nothing at ``trees``, generated trees of subtractions stand in: their name is shown
with every figure, and no figure on them says anything about sentences.
"""

from jaxdl import Adam, Experiment, SoftmaxCrossEntropy, Training, TreeLSTM, Trees


def sst_tree() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="sst_tree",
        data=Trees("trees", fallback="embedded"),
        model=TreeLSTM(features=64, embed=64, dropout=0.5),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=2e-3),
        training=Training(epochs=6, batch_size=25, watch="validation/root_accuracy", final="best"),
        metrics=("accuracy", "root_accuracy"),
    )
