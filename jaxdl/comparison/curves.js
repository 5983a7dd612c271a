// Learning curves laid over each other: point at them, zoom, choose. Nothing is loaded from anywhere.
"use strict";
(() => {
  const { groups, figures } = JSON.parse(document.getElementById("curve-data").textContent);
  const box = document.getElementById("curves");
  const [chart, readout] = [box.querySelector(".chart"), box.querySelector(".readout")];
  const [figure, axis] = [box.querySelector("[name=figure]"), box.querySelector("[name=axis]")];
  const [logarithmic, seeds] = [box.querySelector("[name=log]"), box.querySelector("[name=seeds]")];
  const shown = [...box.querySelectorAll(".legend input")];
  const svgNamespace = "http://www.w3.org/2000/svg";
  const margin = { left: 58, right: 12, top: 10, bottom: 38 };
  let range = null; // what is shown of the x axis; null: all of it
  let cursor = null; // the position that the readout tells, in units of the x axis

  const element = (name, attributes, parent, text) => {
    const made = document.createElementNS(svgNamespace, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const readable = (value) => {
    if (value === null || !Number.isFinite(value)) return "–";
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(3);
    return String(Number(value.toPrecision(5)));
  };
  const steps = (low, high, count) => {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
    return found;
  };
  const powers = (low, high) => {
    const found = [];
    for (let at = Math.floor(Math.log10(low)); at <= Math.ceil(Math.log10(high)); at++)
      for (const each of [1, 2, 5]) {
        const value = Number((each * 10 ** at).toPrecision(3));
        if (value >= low && value <= high) found.push(value);
      }
    return found.length > 12 ? found.filter((value) => String(value.toExponential()).startsWith("1e")) : found;
  };
  const chosen = () => {
    const curves = figures[figure.value];
    return groups
      .map((group, number) => ({ ...group, ...curves[number], number }))
      .filter((curve) => curve.mean && shown[curve.number].checked);
  };
  const xs = (curve) => curve[axis.value] ?? curve.step;

  let scale = null; // of the last drawing: from values to pixels, and back
  const draw = () => {
    chart.replaceChildren();
    const width = Math.max(280, chart.clientWidth), height = Math.round(Math.min(420, Math.max(260, width * 0.5)));
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" }, chart);
    svg.setAttribute("aria-label", `${figure.value} by ${axis.value}; the table below has the values`);
    const curves = chosen(), log = logarithmic.checked;
    const all = curves.flatMap(xs);
    if (!all.length) return element("text", { x: 20, y: 40, class: "tick" }, svg, "No recipe that is chosen has this figure."), tell();
    const whole = [Math.min(...all), Math.max(...all)];
    const [left, right] = range ?? (whole[0] === whole[1] ? [whole[0] - 0.5, whole[1] + 0.5] : whole);
    const values = [];
    for (const curve of curves)
      xs(curve).forEach((x, place) => {
        if (x < left || x > right) return;
        const band = [curve.mean, ...(seeds.checked ? curve.runs : [curve.low, curve.high])];
        values.push(...band.map((line) => line[place]).filter((value) => Number.isFinite(value) && (!log || value > 0)));
      });
    let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [log ? 0.1 : 0, 1];
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - Math.abs(low || 1) / 10, high + Math.abs(high || 1) / 10];
    const room = log ? 0 : (high - low) * 0.04;
    [low, high] = [low - room, high + room];
    const onto = (value) => (log ? Math.log(value) : value);
    const x = (value) => margin.left + ((value - left) / (right - left)) * (width - margin.left - margin.right);
    const y = (value) => height - margin.bottom - ((onto(value) - onto(low)) / (onto(high) - onto(low))) * (height - margin.top - margin.bottom);
    scale = { x, left, right, whole, width, back: (pixel) => left + ((pixel - margin.left) / (width - margin.left - margin.right)) * (right - left) };
    for (const value of log ? powers(low, high) : steps(low, high, height / 60)) {
      element("line", { x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value), class: "grid" }, svg);
      element("text", { x: margin.left - 6, y: y(value) + 4, "text-anchor": "end", class: "tick" }, svg, readable(value));
    }
    const places = steps(left, right, width / 90), marks = places.filter(Number.isInteger);  // epochs and steps are whole
    for (const value of marks.length > 1 ? marks : places) {
      element("line", { x1: x(value), x2: x(value), y1: margin.top, y2: height - margin.bottom, class: "grid" }, svg);
      element("text", { x: x(value), y: height - margin.bottom + 16, "text-anchor": "middle", class: "tick" }, svg, readable(value));
    }
    element("text", { x: (margin.left + width - margin.right) / 2, y: height - 4, "text-anchor": "middle", class: "tick" }, svg, axis.value);
    const clip = element("clipPath", { id: "inside" }, element("defs", {}, svg));
    element("rect", { x: margin.left, y: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }, clip);
    const lines = element("g", { "clip-path": "url(#inside)" }, svg);
    for (const curve of curves) {
      const at = xs(curve);
      const point = (value, place) => (Number.isFinite(value) && (!log || value > 0) ? `${x(at[place]).toFixed(1)},${y(value).toFixed(1)}` : null);
      const path = (line) => line.map(point).reduce((text, each, place, list) => (each ? `${text}${place && list[place - 1] ? "L" : "M"}${each}` : text), "");
      if (seeds.checked) for (const line of curve.runs) element("path", { d: path(line), stroke: curve.colour, class: "run" }, lines);
      else if (curve.low.some(Number.isFinite)) {
        const there = at.map((_, place) => place).filter((place) => point(curve.low[place], place) && point(curve.high[place], place));
        const edge = [...there.map((place) => point(curve.high[place], place)), ...there.reverse().map((place) => point(curve.low[place], place))];
        element("polygon", { points: edge.join(" "), fill: curve.colour, class: "band" }, lines);
      }
      element("path", { d: path(curve.mean), stroke: curve.colour, "stroke-dasharray": curve.dashes, class: "mean" }, lines);
      if (at.length <= 40) curve.mean.forEach((value, place) => point(value, place) && element("circle", { cx: x(at[place]), cy: y(value), r: 2.4, fill: curve.colour }, lines));
    }
    element("line", { class: "cursor", y1: margin.top, y2: height - margin.bottom, visibility: "hidden" }, svg);
    tell();
  };
  const nearest = (list, value) => list.reduce((best, each, place) => (Math.abs(each - value) < Math.abs(list[best] - value) ? place : best), 0);
  const tell = () => {
    const curves = chosen();
    const line = chart.querySelector(".cursor");
    const at = cursor ?? scale?.right;
    const rows = curves.map((curve) => {
      const place = nearest(xs(curve), at);
      const interval = Number.isFinite(curve.low[place]) ? `${readable(curve.low[place])} to ${readable(curve.high[place])}` : "–";
      return [curve.name, readable(xs(curve)[place]), readable(curve.mean[place]), interval];
    });
    readout.replaceChildren(
      ...rows.map((row) => {
        const made = document.createElement("tr");
        made.append(...row.map((text, column) => Object.assign(document.createElement(column ? "td" : "th"), { textContent: text, className: column ? "number" : "" })));
        made.firstChild.scope = "row";
        return made;
      })
    );
    if (!line || cursor === null) return line?.setAttribute("visibility", "hidden");
    for (const end of ["x1", "x2"]) line.setAttribute(end, scale.x(cursor));
    line.setAttribute("visibility", cursor >= scale.left && cursor <= scale.right ? "visible" : "hidden");
  };
  const positions = () => [...new Set(chosen().flatMap(xs))].filter((value) => value >= scale.left && value <= scale.right).sort((a, b) => a - b);
  const zoom = (factor) => {
    const middle = cursor ?? (scale.left + scale.right) / 2;
    range = [Math.max(scale.whole[0], middle - (middle - scale.left) * factor), Math.min(scale.whole[1], middle + (scale.right - middle) * factor)];
    if (range[1] <= range[0] || (range[0] === scale.whole[0] && range[1] === scale.whole[1])) range = null;
    draw();
  };
  const everything = () => ((range = null), draw());

  let from = null; // where a drag began, in pixels
  const pixel = (event) => event.clientX - chart.getBoundingClientRect().left;
  chart.addEventListener("pointerdown", (event) => event.pointerType === "mouse" && (from = pixel(event)));
  chart.addEventListener("pointermove", (event) => {
    if (!scale) return;
    const list = positions();
    if (list.length) cursor = list[nearest(list, scale.back(pixel(event)))];
    tell();
    const drag = chart.querySelector(".drag") ?? (from !== null && element("rect", { class: "drag", y: margin.top, height: 1000 }, chart.firstChild));
    if (drag) {
      drag.setAttribute("x", Math.min(from, pixel(event)));
      drag.setAttribute("width", Math.abs(pixel(event) - from));
    }
  });
  window.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const ends = [scale.back(from), scale.back(pixel(event))].sort((a, b) => a - b);
    if (Math.abs(pixel(event) - from) > 8) range = [Math.max(ends[0], scale.whole[0]), Math.min(ends[1], scale.whole[1])];
    from = null;
    draw();
  });
  chart.addEventListener("dblclick", everything);
  chart.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const list = positions();
    const place = cursor === null ? -1 : nearest(list, cursor);
    const to = { ArrowRight: Math.min(place + 1, list.length - 1), ArrowLeft: Math.max(place - 1, 0), Home: 0, End: list.length - 1 }[event.key];
    if (to !== undefined && list.length) (cursor = list[to]), tell();
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "Escape") everything();
    else return;
    event.preventDefault();
  });
  box.querySelector("[name=whole]").addEventListener("click", everything);
  for (const each of [figure, logarithmic, seeds, ...shown]) each.addEventListener("change", draw);
  axis.addEventListener("change", () => ((cursor = null), everything()));
  new ResizeObserver(() => draw()).observe(chart);

  const drawing = () => {
    const copy = chart.querySelector("svg").cloneNode(true);
    copy.setAttribute("xmlns", svgNamespace);
    const style = getComputedStyle(document.documentElement);
    const [ink, line, page] = ["--ink", "--line", "--page"].map((name) => style.getPropertyValue(name).trim());
    element("style", {}, copy, `.tick{fill:${ink};font:12px sans-serif}.grid{stroke:${line}}.mean,.run{fill:none;stroke-width:1.8}.run{opacity:.45}.band{opacity:.18}.cursor{display:none}svg{background:${page}}`);
    return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
  };
  const save = (blob, ending) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${figure.value.replace(/[^\w]+/g, "-")}.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  box.querySelector("[name=svg]").addEventListener("click", () => save(drawing(), "svg"));
  box.querySelector("[name=png]").addEventListener("click", () => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 2 * picture.width, height: 2 * picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, "png"));
      URL.revokeObjectURL(picture.src);
    };
    picture.src = URL.createObjectURL(drawing());
  });
})();
