"""Looking at data of several inputs and targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.experiment.looking import look_at_data
from tests.experiment.test_looking import images_of
from tests.named import arrays
from tests.named import recipe as several


def test_several_inputs_and_targets_are_each_shown_with_their_kind(tmp_path: Path) -> None:
    experiment = jaxdl.replace(
        several(), {"augmentation": jaxdl.augmentations({"image": jaxdl.Augmentation(flip="horizontal")})}
    )
    look = look_at_data(experiment, tmp_path, lambda line: None)
    inputs, targets = arrays(90)
    for line in (
        "pictures, uint8 of shape (3, 3, 1)",
        "numbers, float32 of shape (2,)",
        "one of 3 classes, shape ()",
        "Examples of image of train, as the model sees them",
        "The same of image, changed by augmentation",
        "Examples of table of train, as the model sees them",
        "shade: dark",
    ):
        assert line in look.html
    assert "The same of table" not in look.html
    assert look.found.sizes == {"train": 90, "validation": 37, "test": 37}
    shown = images_of(look.html)
    assert len(shown) == 48
    for pixels, changed, stored in zip(shown[:24], shown[24:], inputs["image"], strict=False):
        assert np.array_equal(pixels, stored[..., 0])
        assert np.array_equal(changed, pixels) or np.array_equal(changed, pixels[:, ::-1])
    (size,) = look.found.target
    assert size.name == "size" and size.most == pytest.approx(targets["size"].max(), rel=1e-6)
    assert [feature.name for feature in look.found.features][-2:] == ["table 0", "table 1"]
    assert "validation examples also occur" not in " ".join(look.found.warnings)
    assert any(line.startswith("37 of 37 test examples also occur") for line in look.found.warnings)
