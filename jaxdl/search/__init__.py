"""Ready-made searches: a learning rate, and a batch size."""

from __future__ import annotations

from jaxdl.search.batch_size import BatchSize, batch_find
from jaxdl.search.learning_rate import RangeTest, lr_find

__all__ = ["BatchSize", "RangeTest", "batch_find", "lr_find"]
