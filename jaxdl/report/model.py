"""What the report shows of a trained model itself: predictions for test examples, its layers, and what happens in them.

It is made from ``inspection.json``, which `jaxdl.inference.inspection` writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import line_chart
from jaxdl.report.colours import class_colours
from jaxdl.report.format import figure, readable_bytes
from jaxdl.report.page import escaped, plotted, section, table, titled, wide

_MOST_KEYS = 24
_SOUNDS = ("spectrogram", "wave")  # begin the names of pictures that are as wide as there is room
Inspection = Mapping[str, Any]


def predictions_sections(found: Inspection, used: str, plots: bool = True) -> list[str]:
    """Returns sections on the predictions for single test examples; of several outputs those of each, with its name.

    Args:
        found: the content of ``inspection.json``.
        used: name of the data, to be shown beside every figure.
        plots: whether to draw plots.
    """
    return [
        part for name, each in outputs_of(found) for part in _of_output(each, f": {name}" if name else "", used, plots)
    ]


def outputs_of(found: Inspection) -> list[tuple[str, Inspection]]:
    """Returns what was seen of each output by its name, which is empty for the only one."""
    return list(found["outputs"].items()) if "outputs" in found else [("", found)]


def _of_output(found: Inspection, of: str, used: str, plots: bool) -> list[str]:
    if not found.get("looked_at"):
        return []
    looked_at, count = int(found["looked_at"]), int(found["of"])
    some = "all" if looked_at == count else f"{looked_at:,} of the"
    of_examples = f"{some} {count:,} test examples of {used}"
    parts = []
    if plots and found.get("pairs"):
        parts.append(section("Predictions against targets" + of, _pairs(found, of, used)))
    if plots and found.get("forecast"):
        parts.append(section("Forecast" + of, _forecast(found, of, used)))
    if plots and found.get("calibration"):
        parts.append(section("Calibration" + of, _calibration(found, of, used, of_examples)))
    numbers = "error" in str(found.get("measure"))
    worst = "Largest errors" if numbers else "Most certain mistakes" if found.get("calibration") else "Worst examples"
    if "probability" in str(found.get("measure")):
        worst = "Most certain mistakes"
    mistakes = int(found["mistakes"])
    wrong = "are predicted wrongly" if "probability" in str(found.get("measure")) else "have a mistake"
    note = f"Of {of_examples}"
    if numbers:
        note += f", by {found['measure']}."
    else:
        note += f", {mistakes:,} {wrong}." if mistakes else " none is wrong."
    parts.append(section(worst + of, _group(found.get("worst"), titled(worst + of, used), note, found, used)))
    regard = "their errors" if numbers else "whether they are right"
    chosen = f"Chosen without regard to {regard}, from {of_examples}."
    title = "Random predictions" + of
    parts.append(section(title, _group(found.get("random"), titled(title, used), chosen, found, used)))
    return parts


def model_sections(found: Inspection, used: str, plots: bool = True) -> list[str]:
    """Returns sections on the model: its layers, and what they make of one test example; arguments as above."""
    parts = [section("Model", _layers(found["layers"]))] if found.get("layers") else []
    if not plots:
        return parts
    if found.get("filters"):
        parts.append(section("Filters of the first convolution", _filters(found["filters"])))
    if found.get("activations"):
        example = f'<div class="examples">{_inputs(found.get("example"))}</div>'
        parts.append(section("Activations", f"{_note('What layers make of this test example:')}{example}" + "".join(
            _sheet(each, used, "channels", "black: the least value of the layer, white: the largest")
            for each in found["activations"])))  # fmt: skip
    if found.get("traces"):
        example = f'<div class="examples broad">{_inputs(found.get("example"))}</div>'
        drawn = "".join(_trace(each, used) for each in found["traces"])
        parts.append(
            section("Hidden states", f"{_note('States over the steps of this test example:')}{example}{drawn}")
        )
    return parts


def _note(text: str) -> str:
    return f'<p class="note">{escaped(text)}</p>' if text else ""


def _pairs(found: Inspection, of: str, used: str) -> str:
    targets, predictions = zip(*found["pairs"], strict=True)
    look = Look(x_label="target", y_label="prediction", whole=False, scattered=True, diagonal=True)
    title = titled("predictions against targets" + of, used)
    return f'<div class="alone">{line_chart(title, {"prediction": (targets, predictions)}, look)}</div>'


def _forecast(found: Inspection, of: str, used: str) -> str:
    targets, predictions = zip(*found["forecast"], strict=True)
    first = int(found["of"]) - len(targets) + 1
    places = range(first, first + len(targets))
    title = titled("series against forecast" + of, used)
    look = Look("window of test", _column(found))
    chart = line_chart(title, {"series": (places, targets), "forecast": (places, predictions)}, look)
    note = "Each value is forecast from the window before it; the next step, where several are forecast."
    return f'{_note(note)}<div class="alone">{chart}</div>'


def _column(found: Inspection) -> str:
    """Returns the name of the column that is forecast, where the windows have no other one."""
    names = {str(name) for each in found.get("random") or () for name, _ in each["shown"].get("curves") or ()}
    return names.pop() if len(names) == 1 else ""


def _calibration(found: Inspection, of: str, used: str, of_examples: str) -> str:
    """Draws how often predictions of each certainty are right; see `jaxdl.inference.inspection.judged.calibration`."""
    bins = [(count, sure, right) for count, sure, right in found["calibration"] if count]
    total = sum(count for count, *_ in bins)
    error = sum(count * abs(sure - right) for count, sure, right in bins) / max(total, 1)
    series = {"share that is right": ([sure for _, sure, _ in bins], [right for *_, right in bins])}
    look = Look(x_label="certainty", y_label="share that is right", whole=False, diagonal=True, span=(0.0, 1.0))
    rows = [
        [
            f"{number / 10:.1f} to {(number + 1) / 10:.1f}",
            f"{int(count):,}",
            figure(float(sure)),
            figure(float(right)),
            used,
        ]
        for number, (count, sure, right) in enumerate(found["calibration"])
        if count
    ]
    head = ["certainty", "examples", "mean certainty", "share right", "measured on"]
    note = (
        f"Of {of_examples}. On the dashed line, 80 of 100 predictions with a certainty of 80 % are right; "
        f"below it the model is too sure. Expected calibration error over these bins: {figure(error)}."
    )
    chart = line_chart(titled("calibration on test" + of, used), series, look, values=False)
    values = wide(table(head, rows, range(1, 4)), "values of the calibration" + of)
    return f'{_note(note)}<div class="alone">{chart}</div>{values}'


def _group(examples: Any, title: str, note: str, found: Inspection, used: str) -> str:
    """Draws examples beside each other, those of a table as one table."""
    if not examples:
        return _note(note) if found.get("looked_at") else ""
    if all("row" in each["shown"] for each in examples):
        return _note(note) + wide(_rows(examples, used), title)
    cards = "".join(_card(each, str(found.get("measure")), used) for each in examples)
    broad = any(_is_broad(each["shown"]) for each in examples)
    content = f'<div class="examples{" broad" if broad else ""}">{cards}</div>{_key(found)}'
    return f'{_note(note)}<figure class="gallery"><figcaption>{escaped(title)}</figcaption>{content}</figure>'


def _key(found: Inspection) -> str:
    """Says which colour is which class, where pictures show classes."""
    colours = class_colours()
    entries = (
        f' <span class="named"><span class="key" style="background: rgb({red}, {green}, {blue})"></span>'
        f"{escaped(name)}</span>"
        for name, (red, green, blue) in zip(found.get("of_pixels") or (), colours[:_MOST_KEYS].tolist(), strict=False)
    )
    key = "".join(entries)
    return f'<p class="note">Colours of the classes:{key}</p>' if key else ""


def _is_broad(shown: Mapping[str, Any]) -> bool:
    """Returns whether an example needs more room than a small picture."""
    if {"tokens", "text", "curves"} & set(shown) or _is_sound(shown):
        return True
    return "row" in shown or any(_is_broad(each) for _, each in shown.get("parts") or ())


def _is_sound(shown: Mapping[str, Any]) -> bool:
    return any(str(name).startswith(_SOUNDS) for name, _ in shown.get("pictures") or ())


def _rows(examples: Sequence[Mapping[str, Any]], used: str) -> str:
    """Returns rows of a table with what is right and what is predicted for each."""
    names = [name for name, _ in examples[0]["shown"]["row"]]
    certain = any(each.get("certainty") is not None for each in examples)
    head = ["example", "right", "predicted", *(["certainty"] if certain else ["error"]), *names, "measured on"]
    rows = []
    for each in examples:
        how = figure(float(each["certainty"] if certain else each["wrong"]))
        values = [str(value) for _, value in each["shown"]["row"]]
        rows.append([str(each["number"]), str(each["truth"]), str(each["predicted"]), how, *values, used])
    return table(head, rows, [n for n in range(1, len(head) - 1) if all(_is_numeral(row[n]) for row in rows)])


def _is_numeral(text: str) -> bool:
    """Returns whether a cell has a number, or none is known."""
    try:
        float(text)
    except ValueError:
        return text == "missing"
    return True


def _card(example: Mapping[str, Any], measure: str, used: str) -> str:
    wrong = float(example["wrong"])
    truth, predicted, certainty = str(example["truth"]), str(example["predicted"]), example.get("certainty")
    numbers = "error" in measure
    kind = "" if numbers else ' class="wrong"' if wrong else ' class="right"'
    sure = f" ({float(certainty):.1%})".replace("%", " %") if certainty is not None else ""
    lines = []
    if truth:
        lines.append(f'<p class="line">right: <b>{escaped(truth)}</b></p>')
    if predicted:
        lines.append(f'<p class="line">predicted: <b{kind}>{escaped(predicted)}</b>{escaped(sure)}</p>')
    if wrong and certainty is None:
        lines.append(f'<p class="line">{escaped(measure)}: {figure(wrong)}</p>')
    about = f'<p class="kind">test example {int(example["number"]):,}</p>'
    return f'<div class="example">{_shown(example["shown"], truth, predicted)}{"".join(lines)}{about}</div>'


def _inputs(example: Any) -> str:
    return f'<div class="example">{_shown(example, "", "")}</div>' if isinstance(example, Mapping) else ""


def _shown(shown: Mapping[str, Any], truth: str, predicted: str) -> str:
    """Draws one example's inputs, see `jaxdl.inference.inspection.shown`."""
    parts = []
    for name, each in shown.get("parts") or ():
        parts.append(f'<p class="kind">{escaped(name)}</p>{_shown(each, truth, predicted)}')
    pictures = shown.get("pictures") or []
    for name, png in pictures:
        words = ", ".join(
            filter(
                None, [str(name), f"right: {truth}" if truth else "", f"predicted: {predicted}" if predicted else ""]
            )
        )
        kind = ' class="sound"' if str(name).startswith(_SOUNDS) else ""
        parts.append(f'<img{kind} src="data:image/png;base64,{escaped(png)}" alt="{escaped(words)}">')
        if len(pictures) > 1 or name != "input":
            parts.append(f'<p class="kind">{escaped(name)}</p>')
    if "tokens" in shown:
        unknown = set(shown.get("unknown") or ())
        tokens = (
            f"<span{' class=unknown title=unknown' if place in unknown else ''}>{escaped(token)}</span>"
            for place, token in enumerate(shown["tokens"])
        )
        more = f" and {int(shown['more']):,} more" if shown.get("more") else ""
        parts.append(f'<p class="tokens">{" ".join(tokens)}{more}</p>')
    if "text" in shown:
        parts.append(f"<p>{escaped(shown['text'])}</p>")
    if "row" in shown:
        parts.append("".join(f"<p>{escaped(name)}: {escaped(value)}</p>" for name, value in shown["row"]))
    if shown.get("curves"):
        parts.append(_curves(shown["curves"], shown.get("ahead")))
    return "".join(parts)


_MOST_CURVES, _STROKES = 4, ("train", "other", "sixth", "fifth")


def _curves(curves: Sequence[Sequence[Any]], ahead: Any) -> str:
    """Draws the inputs of a sequence as small lines, and after them what is right and what is forecast."""
    width, height, room = 280.0, 80.0, 6.0
    right, forecast = ([float(v) for v in each] for each in ahead) if ahead else ([], [])
    steps = max(len(values) for _, values in curves)
    together = [float(v) for _, values in curves[:_MOST_CURVES] for v in values] + right + forecast
    finite = [v for v in together if math.isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)

    def at(place: float, value: float) -> tuple[float, float]:
        x = place / max(1, steps - 1 + len(right)) * (width - 2 * room) + room
        return x, height - room - (value - low) / (high - low or 1.0) * (height - 2 * room)

    drawn = []
    for number, (_, values) in enumerate(curves[:_MOST_CURVES]):
        known = [(place, float(value)) for place, value in enumerate(values) if math.isfinite(float(value))]
        path = " ".join("{:.1f},{:.1f}".format(*at(place, value)) for place, value in known)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="var(--{_STROKES[number]})" stroke-width="1.5"/>')
    for values, colour, radius in ((right, "ink", 4.5), (forecast, "validation", 3.0)):
        for place, value in enumerate(values) if all(map(math.isfinite, values)) else ():
            x, y = at(steps + place, value)
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="var(--{colour})"/>')
    names = ", ".join(str(name) for name, _ in curves[:_MOST_CURVES])
    after = "; large dot: what came, small dot: the forecast" if ahead else ""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escaped(names)} over {steps} steps">'
        f'{"".join(drawn)}</svg><p class="kind">{escaped(names)}{after}</p>'
    )


def _layers(layers: Mapping[str, Any]) -> str:
    rows = [
        [
            path,
            kind,
            "(" + ", ".join(map(str, shape)) + ")" + (f" x {calls}" if calls > 1 else ""),
            f"{own:,}",
            f"{adds:,}",
        ]
        for path, kind, shape, calls, own, adds in layers["rows"]
    ]
    parameters, adds = (sum(int(row[place]) for row in layers["rows"]) for place in (4, 5))
    rows.append(["total", "", "", f"{parameters:,}", f"{adds:,}"])
    head = ["layer", "type", "output shape", "parameters", "multiply-adds"]
    note = (
        "Multiply-adds: of matrix products and convolutions, for one example. "
        f"The parameters take {readable_bytes(int(layers['parameter_bytes']))}."
    )
    return wide(table(head, rows, range(3, 5)), "layers of the model") + _note(note)


def _filters(found: Mapping[str, Any]) -> str:
    height, width, channels, count = found["shape"]
    shown = "" if found["shown"] == count else f", the first {found['shown']}"
    colours = (
        "each channel is a colour"
        if channels == 3
        else f"blue: {figure(-found['most'])}, white: 0, red: {figure(found['most'])}"
    )
    title = f"{found['layer']}: {count} filters of {height} by {width}{shown}"
    return _image(title, found["png"], f"{colours}; one scale for all", "small")


def _two_sided(most: float) -> str:
    return f"blue: {figure(-most)}, white: 0, red: {figure(most)}"


def _sheet(found: Mapping[str, Any], used: str, what: str, scale: str) -> str:
    height, width, count = found["shape"]
    shown = "" if found["shown"] == count else f", the first {found['shown']}"
    title = titled(f"{found['layer']}: {count} {what} of {height} by {width}{shown}", used)
    return _image(title, found["png"], f"{scale} ({figure(found['least'])} to {figure(found['most'])})")


def _trace(found: Mapping[str, Any], used: str) -> str:
    shown = "" if found["shown"] == found["units"] else f", the first {found['shown']}"
    title = titled(f"{found['layer']}: {found['units']} units{shown} over {found['steps']} steps", used)
    scale = f"time from left to right, a row for each unit; {_two_sided(found['most'])}"
    places = range(1, int(found["steps"]) + 1)
    series = {name: (places, values) for name, values in found["curves"].items()}
    chart = line_chart(titled(f"{found['layer']}: the units that change most", used), series, Look("step", "state"))
    return f'<div class="plots"><div>{_image(title, found["png"], scale, "trace")}</div>{chart}</div>'


def _image(title: str, png: str, note: str, kind: str = "") -> str:
    drawn = f'<img src="data:image/png;base64,{escaped(png)}" alt="{escaped(title)}; {escaped(note)}">'
    return plotted(title, drawn, kind or "sheet") + _note(note)
