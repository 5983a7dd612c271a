"""Linen modules that are pure functions of their variables."""

from jaxdl.fields import Family
from jaxdl.models.autoencoder import Autoencoder
from jaxdl.models.cnn import CNN
from jaxdl.models.mlp import MLP
from jaxdl.models.resnet import ResNet
from jaxdl.models.rnn import RNN
from jaxdl.models.seq2seq import Seq2Seq
from jaxdl.models.sequence import Attention, Embed, pool_time
from jaxdl.models.tree import TreeLSTM
from jaxdl.models.unet import UNet

MODELS = Family(
    "model",
    {
        "mlp": MLP,
        "cnn": CNN,
        "resnet": ResNet,
        "unet": UNet,
        "autoencoder": Autoencoder,
        "rnn": RNN,
        "seq2seq": Seq2Seq,
        "tree_lstm": TreeLSTM,
    },
)

__all__ = [
    "CNN",
    "MLP",
    "MODELS",
    "RNN",
    "Attention",
    "Autoencoder",
    "Embed",
    "ResNet",
    "Seq2Seq",
    "TreeLSTM",
    "UNet",
    "pool_time",
]
