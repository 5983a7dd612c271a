"""Linen modules that are pure functions of their variables: MLP, CNN, ResNet and RNN."""

from jaxdl.fields import Family
from jaxdl.models.cnn import CNN
from jaxdl.models.mlp import MLP
from jaxdl.models.resnet import ResNet
from jaxdl.models.rnn import RNN

MODELS = Family("model", {"mlp": MLP, "cnn": CNN, "resnet": ResNet, "rnn": RNN})

__all__ = ["CNN", "MLP", "MODELS", "RNN", "ResNet"]
