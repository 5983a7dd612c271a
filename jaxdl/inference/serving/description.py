"""Describes a served model: what it takes and answers, as JSON for people and pages, and as OpenAPI."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.inference.manifest import output_meaning
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.serving.answers import class_names
from jaxdl.inference.serving.asked import JSON, media_types, takes_pictures
from jaxdl.inference.serving.limits import Limits
from jaxdl.objectives.several import Several
from jaxdl.record.provenance import versions

# From this size on digits are drawn with a margin, as those of MNIST are; smaller ones fill their picture.
_WITH_MARGIN = 16
_MOST_DRAWN = 64
# Longer examples are not written out.
_MOST_WRITTEN = 64
_ERRORS = {
    "400": "the request is malformed, or does not fit the model",
    "408": "the request did not arrive in time",
    "413": "the request is too large",
    "415": "the model does not take this type of content",
    "503": "the server is busy, or the answer took too long",
}


def describe(model: TrainedModel) -> dict[str, Any]:
    """Returns what a page or a client needs to know of a model.

    Returns:
        ``experiment``, ``step``, ``kind`` of its inputs, ``accepts`` (types of content), ``class_names``, ``example``
        (a body for ``/predict``), and what the page needs for its kind.
    """
    spec, objective = model.spec, model.experiment.objective
    found: dict[str, Any] = {
        "experiment": model.experiment.name,
        "step": int(model.state.step),
        "kind": kind(spec),
        "accepts": list(media_types(spec)),
        "class_names": [] if isinstance(objective, Several) or objective.of_inputs else list(class_names(spec)),
        "example": example(spec),
    }
    if found["kind"] == "pictures":
        height, width, channels = spec.input_shape
        found["picture"] = {"height": height, "width": width, "channels": channels, "draw": _draw(model)}
    if found["kind"] == "sounds":
        found["sound"] = {"rate": spec.rate, "seconds": spec.input_shape[0] / spec.rate}
    if found["kind"] == "rows":
        found["columns"] = [{"name": column.name, "categories": column.categories} for column in spec.columns]
    return found


def kind(spec: Spec) -> str:
    """Returns what the examples of a model are: pictures, sounds, texts, trees, rows of a table, or arrays."""
    if spec.inputs:
        return "arrays"
    if spec.rate:
        return "sounds"
    if spec.coding is not None:
        return "texts"
    if spec.trees is not None:
        return "trees"
    if spec.columns and spec.windows is None:
        return "rows"
    return "pictures" if takes_pictures(spec) else "arrays"


def example(spec: Spec) -> dict[str, Any]:
    """Returns a body for ``/predict``, as short as one can be."""
    if spec.inputs:
        return {"inputs": {name: example(own)["inputs"] for name, own in spec.inputs}}
    if spec.coding is not None:
        return {"inputs": ["some text"]}
    if spec.trees is not None:
        return {"inputs": ["(It (is good))"]}
    if spec.columns and spec.windows is None:
        return {"inputs": [{each.name: each.categories[0] if each.categories else 0 for each in spec.columns}]}
    if spec.lengths or spec.rate:
        steps = min(2, spec.input_shape[0])
        return {"inputs": [np.zeros((steps, *spec.input_shape[1:]), int).tolist()]}
    return {"inputs": [np.zeros(math.prod(spec.input_shape), int).tolist()]}


def openapi(model: TrainedModel, limits: Limits) -> dict[str, Any]:
    """Returns the description of the interface by OpenAPI 3.1."""
    spec = model.spec
    shown = example(spec)
    short = not spec.inputs and len(str(shown)) < 10 * _MOST_WRITTEN
    contents: dict[str, Any] = {
        JSON: {"schema": _request(spec), **({"example": shown} if short else {})},
        **{each: {"schema": {}} for each in media_types(spec) if each != JSON},
    }
    responses = {
        "200": {"description": "predictions", "content": {JSON: {"schema": _response(model)}}},
        **{
            status: {
                "description": meaning,
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
            }
            for status, meaning in _ERRORS.items()
        },
    }
    about = f"At most {limits.body:,} bytes and {limits.waiting:,} examples in one request, which arrives within " + (
        f"{limits.seconds:g} seconds."
    )
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": model.experiment.name, "version": versions()["jaxdl"], "description": about},
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Predict for one example or more",
                    "parameters": [
                        {
                            "name": "top_k",
                            "in": "query",
                            "schema": {"type": "integer", "minimum": 0},
                            "description": "answer only so many classes, the most probable first; 0: all",
                        }
                    ],
                    "requestBody": {"required": True, "content": contents},
                    "responses": responses,
                }
            },
            **{path: {"get": _get(what, kind_of)} for path, (what, kind_of) in _PATHS.items()},
        },
        "components": {"schemas": {"Error": error}},
    }


_PATHS = {
    "/model": ("What the model takes and answers", JSON),
    "/health": ("Whether the server is there", JSON),
    "/metrics": ("Figures for Prometheus", "text/plain"),
}


def _get(what: str, media_type: str) -> dict[str, Any]:
    return {"summary": what, "responses": {"200": {"description": what, "content": {media_type: {"schema": {}}}}}}


def _request(spec: Spec) -> dict[str, Any]:
    """Returns the schema of a request in JSON."""
    properties: dict[str, Any] = {"top_k": {"type": "integer", "minimum": 0, "default": 0}}
    if spec.inputs:
        properties["inputs"] = {"type": "object", "required": [name for name, _ in spec.inputs]}
    elif spec.coding is not None or spec.trees is not None:
        properties["inputs"] = {"type": "array", "items": {"type": "string"}}
    elif spec.columns and spec.windows is None:
        row = {
            each.name: {"enum": list(each.categories)} if each.categories else {"type": ["number", "null"]}
            for each in spec.columns
        }
        properties["inputs"] = {"type": "array", "items": {"type": "object", "properties": row}}
    else:
        shape = ", ".join(map(str, spec.input_shape))
        properties["inputs"] = {
            "type": "array",
            "description": f"{spec.input_dtype} of shape ({shape}) for each example, nested or flat",
        }
    if spec.lengths and not spec.inputs:
        properties["lengths"] = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    return {"type": "object", "properties": properties, "required": ["inputs"], "additionalProperties": False}


def _response(model: TrainedModel) -> dict[str, Any]:
    objective = model.experiment.objective
    meaning = "by the names of the outputs" if isinstance(objective, Several) else output_meaning(objective)
    return {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": {"type": "object", "description": meaning}},
            "notes": {"type": "array", "items": {"type": "string"}, "description": "what was noticed of the examples"},
        },
        "required": ["predictions"],
    }


def _draw(model: TrainedModel) -> dict[str, Any] | None:
    """Returns how a page draws for the model: margin in pixels, and whether light on dark; None where it does not."""
    height, width, channels = model.spec.input_shape
    if channels != 1 or max(height, width) > _MOST_DRAWN:
        return None
    margin = round(min(height, width) / 7) if min(height, width) >= _WITH_MARGIN else 0
    return {"margin": margin, "light_on_dark": model.edges is None or model.edges.mean < 0.5}
