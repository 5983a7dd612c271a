// Pointing at charts and zooming into them. The page is whole without this script.
"use strict";
const Charts = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const element = (name, attributes, text) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const ticks = (low, high, most, whole) => {
    const rough = (high - low) / most;
    if (!(rough > 0) || !isFinite(rough)) return [low];
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999);
    if (whole) step = Math.max(1, Math.round(step));
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(+(n * step).toPrecision(10));
    return found;
  };
  const powers = (low, high) => {
    const found = [];
    for (let n = Math.floor(low); n <= high; n++)
      for (const factor of high - low > 3 ? [1] : [1, 2, 5]) {
        const place = n + Math.log10(factor);
        if (place >= low && place <= high) found.push(place);
      }
    return found.length > 1 ? found : ticks(low, high, 4);
  };
  const label = (value) =>
    Math.abs(value) >= 1e4 && Math.abs(value) < 1e7 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(6));
  const shown = (value) =>
    Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en")
      : Math.abs(value) >= 0.1 ? value.toFixed(4) : String(+value.toPrecision(4));

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.svg = figure.querySelector("svg");
      Object.assign(this, JSON.parse(figure.querySelector("script").textContent));
      this.drawn = [...this.svg.querySelector(".plot").childNodes];
      this.lines.forEach((line) => {
        const ends = (n) => (line.low && line.low[n] !== null && line.high[n] !== null ? [line.low[n], line.high[n]] : []);
        line.points = line.x.map((x, n) => [x, line.y[n], ...ends(n)]).filter((each) => each[1] !== null);
      });
      const read = this.lines.filter((line) => !line.dots);
      const places = (read.length ? read : this.lines).flatMap((line) => line.points.map((each) => each[0]));
      this.places = [...new Set(places)].sort((one, other) => one - other);
      this.log = false;
      this.whole();
      this.clip();
      this.controls();
      this.listen();
    }

    whole() { this.range = null; }

    bounds() {
      if (this.look.span && !this.range) return [...this.look.span, ...this.look.span];
      const inside = ([x]) => !this.range || (x >= this.range[0] && x <= this.range[1]);
      const points = this.lines.flatMap((line) => line.points).filter(inside);
      let xs = this.range || points.map((each) => each[0]);
      let ys = points.flatMap((each) => each.slice(1).map((y) => this.value(y)));
      if (!ys.length) ys = [0, 1];
      if (this.look.reference && !this.range) ys.push(this.value(this.look.reference[1]));
      if (this.look.diagonal && !this.range) xs = ys = [...xs, ...ys];
      let [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      const room = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
      if (this.look.names.length && !this.range) [left, right] = [-0.5, this.look.names.length - 0.5];
      else if (left === right) [left, right] = [left - 0.5, right + 0.5];
      if ((this.look.scattered || (this.look.dots.length && !this.look.names.length)) && !this.range) [left, right] = [left - (right - left) * 0.03, right + (right - left) * 0.03];
      return [left, right, low - room, high + room];
    }

    // A position as the axis shows it.
    place(x) {
      if (this.look.names.length) return this.look.names[Math.round(x)] ?? "";
      return label(this.look.powers ? +(10 ** x).toPrecision(4) : x);
    }

    xTicks(west, east) {
      const { names, powers: log, whole } = this.look;
      if (!names.length) return (log ? powers(west, east) : ticks(west, east, 6, whole)).map((each) => [each, this.place(each)]);
      const step = Math.ceil(names.length / 12), most = Math.max(3, Math.floor(this.area[2] / Math.ceil(names.length / step) / 6.4));
      return names.map((name, n) => [n, name.length > most ? `${name.slice(0, most - 1)}…` : name])
        .filter(([n]) => n % step === 0 && n >= west && n <= east);
    }

    value(y) { return this.log ? Math.log10(y) : y; }

    clip() {
      const [left, top, width, height] = this.area;
      this.name = `clip-${[...document.querySelectorAll("figure")].indexOf(this.figure)}`;
      const path = element("clipPath", { id: this.name });
      path.append(element("rect", { x: left, y: top - 2, width: width + 4, height: height + 4 }));
      this.svg.prepend(path);
      this.svg.querySelector(".plot").setAttribute("clip-path", `url(#${this.name})`);
      this.cursor = this.svg.appendChild(element("g", {}));
    }

    draw() {
      const [left, top, width, height] = this.area;
      const [west, east, low, high] = (this.shows = this.bounds());
      this.atX = (x) => left + ((x - west) / (east - west)) * width;
      this.atY = (y) => top + ((high - this.value(y)) / (high - low)) * height;
      const xAxis = this.svg.querySelector("g.x"), yAxis = this.svg.querySelector("g.y");
      xAxis.replaceChildren(...this.xTicks(west, east).flatMap(([each, name]) => {
        const x = this.atX(each);
        return [element("line", { class: "grid", x1: x, x2: x, y1: top, y2: top + height }),
          element("text", { class: "tick", x, y: top + height + 16, "text-anchor": "middle" }, name)];
      }));
      const levels = this.log ? powers(low, high) : ticks(low, high, 5);
      yAxis.replaceChildren(...levels.flatMap((each) => {
        const y = top + ((high - each) / (high - low)) * height;
        return [element("line", { class: "grid", x1: left, x2: left + width, y1: y, y2: y }),
          element("text", { class: "tick", x: left - 6, y: y + 4, "text-anchor": "end" },
            label(this.log ? +(10 ** each).toPrecision(3) : each))];
      }));
      const plot = this.lines.flatMap((line) => this.line(line, west, east));
      const dashed = { stroke: "var(--ink)", "stroke-dasharray": "4 3" };
      if (this.look.reference) {
        const y = this.atY(this.look.reference[1]);
        plot.push(element("line", { x1: left, x2: left + width, y1: y, y2: y, ...dashed }));
      }
      if (this.look.diagonal) {
        const ends = [Math.max(west, low), Math.min(east, high)];
        plot.push(element("line", { x1: this.atX(ends[0]), y1: this.atY(ends[0]), x2: this.atX(ends[1]), y2: this.atY(ends[1]), ...dashed }));
      }
      this.svg.querySelector(".plot").replaceChildren(...plot);
      this.all.hidden = !this.range;
    }

    // The interval of a line: a band along it, or a whisker at each named position.
    band(line) {
      const ends = line.points.filter((each) => each.length > 2 && (!this.log || each[2] > 0)).map(([x, , low, high]) => [this.atX(x), this.atY(low), this.atY(high)]);
      if (this.look.names.length)
        return ends.map(([x, low, high]) => element("line", { x1: x, x2: x, y1: low, y2: high, stroke: line.colour, "stroke-width": 2 }));
      const outline = [...ends.map(([x, , high]) => [x, high]), ...ends.reverse().map(([x, low]) => [x, low])];
      return ends.length ? [element("polygon", { points: outline.map((each) => each.map((one) => one.toFixed(1)).join(",")).join(" "), fill: line.colour, "fill-opacity": 0.18 })] : [];
    }

    line(line, west, east) {
      const found = this.band(line), apart = this.look.scattered || this.look.names.length > 0 || line.dots;
      if (!apart) {
        let path = "", pen = "M";
        line.x.forEach((x, n) => {
          if (line.y[n] !== null) path += `${pen}${this.atX(x).toFixed(1)} ${this.atY(line.y[n]).toFixed(1)}`;
          pen = line.y[n] === null ? "M" : "L";
        });
        found.push(element("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": 1.8 }));
      }
      const seen = line.points.filter(([x]) => x >= west && x <= east);
      if (apart || (seen.length <= 40 && !this.look.dots.length)) {
        const many = line.dots && line.points.length > 1, r = many || !(this.look.names.length || line.dots) ? 2.4 : 4;
        seen.forEach(([x, y]) => found.push(element("circle", { cx: this.atX(x), cy: this.atY(y), r, "fill-opacity": many ? 0.6 : 1, fill: line.colour })));
      }
      return found;
    }

    controls() {
      this.output = document.createElement("output");
      if (this.figure === document.querySelector("figure.chart"))
        this.output.textContent = "Point at a chart to read it, drag to zoom; by keyboard: arrows, +, - and 0.";
      this.svg.after(this.output);
      this.all = button("show all", () => this.zoom(null));
      this.all.hidden = true;
      const bar = this.figure.querySelector(".save");
      bar.prepend(this.all);
      if (this.lines.every((line) => line.points.every((each) => each.slice(1).every((y) => y > 0))) && !this.look.diagonal) {
        const scale = button("log scale", () => {
          this.log = !this.log;
          scale.setAttribute("aria-pressed", this.log);
          this.draw();
        });
        scale.setAttribute("aria-pressed", false);
        bar.prepend(scale);
      }
      this.box = document.createElement("div");
      this.box.className = "pointed";
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "group");
      this.box.setAttribute("aria-label", `${this.svg.getAttribute("aria-label")}: arrow keys read values, + and - zoom, 0 shows all`);
      this.svg.replaceWith(this.box);
      this.box.append(this.svg);
    }

    zoom(range) {
      this.range = range;
      this.cursor.replaceChildren();
      this.draw();
    }

    nearest(event) {
      const size = this.svg.getBoundingClientRect();
      return [((event.clientX - size.left) / size.width) * this.size[0], ((event.clientY - size.top) / size.height) * this.size[1]];
    }

    listen() {
      let from = null;
      const draw = () => { if (!this.atX) this.draw(); };
      this.box.addEventListener("pointerdown", (event) => {
        draw();
        from = this.nearest(event)[0];
        if (event.pointerType === "mouse") this.box.setPointerCapture(event.pointerId);
      });
      this.box.addEventListener("pointermove", (event) => {
        draw();
        const [x, y] = this.nearest(event);
        if (from !== null && Math.abs(x - from) > 6) return this.select(from, x);
        this.point(x, y);
      });
      this.box.addEventListener("pointerup", (event) => {
        const to = this.nearest(event)[0];
        const start = from;
        from = null;
        if (start === null || Math.abs(to - start) <= 6) return;
        const [left, , width] = this.area, [west, east] = this.shows;
        const back = (x) => west + ((Math.min(Math.max(x, left), left + width) - left) / width) * (east - west);
        const range = [back(Math.min(start, to)), back(Math.max(start, to))];
        const inside = this.places.filter((place) => place >= range[0] && place <= range[1]);
        this.zoom(inside.length > 1 ? range : this.range);
      });
      for (const name of ["pointerleave", "pointercancel"])
        this.box.addEventListener(name, () => { from = null; this.cursor.replaceChildren(); });
      this.box.addEventListener("dblclick", () => this.zoom(null));
      this.box.addEventListener("keydown", (event) => this.key(event, draw));
    }

    key(event, draw) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      draw();
      const last = this.places.length - 1;
      const place = this.at === undefined ? -1 : this.at;
      const [west, east] = this.shows;
      const middle = this.places[Math.max(0, place)] ?? (west + east) / 2;
      const moves = { ArrowRight: Math.min(last, place + 1), ArrowLeft: Math.max(0, place - 1), Home: 0, End: last };
      const half = { "+": (east - west) / 4, "=": (east - west) / 4, "-": east - west }[event.key];
      if (event.key in moves) this.read(moves[event.key]);
      else if (half) {
        const from = Math.max(this.places[0], Math.min(middle - half, this.places[last] - 2 * half));
        const range = [from, from + 2 * half];
        const inside = this.places.filter((each) => each >= range[0] && each <= range[1]);
        if (range[1] >= this.places[last] && from <= this.places[0]) this.zoom(null);
        else if (inside.length > 1) this.zoom(range);
      } else if (event.key === "0" || event.key === "Escape") this.zoom(null);
      else return;
      event.preventDefault();
    }

    select(from, to) {
      const [left, top, width, height] = this.area;
      const inside = (x) => Math.min(Math.max(x, left), left + width);
      const [start, end] = [inside(Math.min(from, to)), inside(Math.max(from, to))];
      this.cursor.replaceChildren(element("rect", { x: start, y: top, width: end - start, height, fill: "var(--ink)", "fill-opacity": 0.12 }));
    }

    point(x, y) {
      if (this.look.scattered) {
        let best = null, least = 900;
        for (const line of this.lines) for (const each of line.points) {
          const far = (this.atX(each[0]) - x) ** 2 + (this.atY(each[1]) - y) ** 2;
          if (far < least) [best, least] = [[line, each], far];
        }
        this.cursor.replaceChildren();
        if (best) this.say(best[1][0], [[best[0], best[1][1]]]);
        return;
      }
      let best = 0;
      this.places.forEach((place, n) => { if (Math.abs(this.atX(place) - x) < Math.abs(this.atX(this.places[best]) - x)) best = n; });
      this.read(best);
    }

    read(number) {
      this.at = number;
      const place = this.places[number];
      if (place < this.shows[0] || place > this.shows[1]) this.zoom(null);
      this.say(place, this.lines.filter((line) => !line.dots || this.look.scattered).flatMap((line) => line.points.filter((each) => each[0] === place).map((each) => [line, ...each.slice(1)])));
    }

    say(place, found) {
      const [, top, , height] = this.area, x = this.atX(place);
      this.cursor.replaceChildren(
        element("line", { x1: x, x2: x, y1: top, y2: top + height, stroke: "var(--soft)" }),
        ...found.map(([line, y]) => element("circle", { cx: x, cy: this.atY(y), r: 4, fill: line.colour, stroke: "var(--page)" })));
      this.output.textContent = [`${this.look.x_label} ${this.place(place)}`,
        ...found.map(([line, y, ...ends]) => `${line.name} ${shown(y)}${ends.length ? ` (${ends.map(shown).join(" to ")})` : ""}`)].join(" · ");
    }
  }

  const button = (text, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", action);
    return made;
  };
  return { NS, Chart, button, element, label, shown };
})();
