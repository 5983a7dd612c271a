"""What a server says of its model."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

import jaxdl
from jaxdl.data.edges import Edges
from jaxdl.inference.serving.asked import read_request
from jaxdl.inference.serving.description import describe, openapi
from jaxdl.inference.serving.limits import Limits
from tests.serving_models import of_pictures, of_rows, of_series, of_sounds, of_spec, of_texts


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (of_pictures, "pictures"),
        (of_rows, "rows"),
        (of_texts, "texts"),
        (of_series, "arrays"),
        (of_sounds, "sounds"),
    ],
)
def test_its_example_is_a_request_and_its_interface_names_the_types_of_content(make: Any, kind: str) -> None:
    model = make()
    found = describe(model)
    assert found["kind"] == kind
    body = json.dumps(found["example"]).encode()
    assert len(read_request("application/json", body, model, Limits()).batch["inputs"]) == 1
    interface = json.loads(json.dumps(openapi(model, Limits())))
    predict = interface["paths"]["/predict"]["post"]
    assert list(predict["requestBody"]["content"]) == found["accepts"]
    assert {"200", "400", "408", "413", "415", "503"} == set(predict["responses"])
    assert interface["info"]["version"] == jaxdl.__version__


def test_drawings_are_light_on_dark_where_the_pictures_of_the_training_are() -> None:
    model = of_pictures()
    assert describe(model)["picture"]["draw"] == {"margin": 0, "light_on_dark": True}
    light = dataclasses.replace(model, edges=Edges(0.95, 0.02))
    assert describe(light)["picture"]["draw"]["light_on_dark"] is False
    digits = jaxdl.Spec((28, 28, 1), "uint8", jaxdl.Preprocess(1 / 255), (), 3)
    assert describe(of_spec(digits, jaxdl.MLP(features=(4,))))["picture"]["draw"]["margin"] == 4
    colours = jaxdl.Spec((28, 28, 3), "uint8", jaxdl.Preprocess(1 / 255), (), 3)
    assert describe(of_spec(colours, jaxdl.MLP(features=(4,))))["picture"]["draw"] is None
