// The report of a sweep: choosing one of several charts, and trials by their values. The page is whole without it.
"use strict";
(() => {
  const { button, element, shown } = Charts;
  const made = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };

  // Of the charts in a box one is shown, by the name that each has.
  for (const box of document.querySelectorAll(".choose")) {
    const parts = [...box.children];
    const select = made("select", {}, ...parts.map((part) => made("option", { textContent: part.dataset.name })));
    const show = () => parts.forEach((part, n) => { part.hidden = n !== select.selectedIndex; });
    select.addEventListener("change", show);
    box.prepend(made("p", { className: "controls" }, made("label", {}, `${box.dataset.label} `, select)));
    show();
  }

  class Parallel {
    constructor(figure) {
      Object.assign(this, JSON.parse(figure.querySelector("script").textContent));
      this.svg = figure.querySelector("svg");
      this.paths = new Map([...this.svg.querySelectorAll("[data-trial]")].map((path) => [Number(path.dataset.trial), path]));
      this.before = new Map([...this.paths].map(([n, path]) => [n, path.getAttribute("stroke-opacity")]));
      this.brushes = this.svg.querySelector(".brushes");
      this.output = made("output");
      this.output.setAttribute("aria-live", "polite");
      this.all = button("show all trials", () => this.clear());
      this.controls = this.axes.map((axis) => (axis.names.length ? this.boxes(axis) : this.numbers(axis)));
      const fields = made("div", { className: "filters" }, ...this.controls.map((control) => control.node));
      const how = made("p", { className: "note", textContent: "Drag along an axis to choose trials, or fill in the fields; a click on an axis takes its choice back." });
      figure.querySelector(".wide").after(how, this.output, fields, this.all);
      this.listen();
      this.draw();
    }

    // Two numbers for an axis of numbers.
    numbers(axis) {
      const input = (name, end) => {
        const field = made("input", { type: "number", step: "any", placeholder: shown(end) });
        field.addEventListener("input", () => this.draw());
        return [field, made("label", {}, `${name} `, field)];
      };
      const [[low, lowLabel], [high, highLabel]] = [input("from", axis.span[0]), input("to", axis.span[1])];
      const number = (field) => (field.value === "" ? null : field.valueAsNumber);
      return {
        node: made("fieldset", {}, made("legend", { textContent: axis.name }), lowLabel, highLabel),
        set: (from, to) => { [low.value, high.value] = [from, to].map((each) => (each === null ? "" : String(+each.toPrecision(4)))); },
        chosen: () => number(low) !== null || number(high) !== null,
        holds: (value) => value !== null && value >= (number(low) ?? -Infinity) && value <= (number(high) ?? Infinity),
        ranges: () => [[number(low) ?? axis.span[0], number(high) ?? axis.span[1]]],
      };
    }

    // A box for each value of an axis of names.
    boxes(axis) {
      const boxes = axis.names.map((name, n) => {
        const box = made("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => this.draw());
        return [box, made("label", {}, box, name)];
      });
      const checked = () => boxes.flatMap(([box], n) => (box.checked ? [n] : []));
      return {
        node: made("fieldset", {}, made("legend", { textContent: axis.name }), ...boxes.map(([, label]) => label)),
        set: (from, to) => boxes.forEach(([box], n) => { box.checked = from === null || (n >= from && n <= to); }),
        chosen: () => checked().length < boxes.length,
        holds: (value) => value !== null && boxes[value][0].checked,
        ranges: () => checked().map((n) => [n - 0.2, n + 0.2]),
      };
    }

    clear() {
      this.controls.forEach((control) => control.set(null, null));
      this.draw();
    }

    y(axis, value) {
      const onto = (each) => (axis.log ? Math.log(Math.max(each, Number.MIN_VALUE)) : each);
      const [low, high] = axis.span.map(onto);
      const fraction = high > low ? (onto(value) - low) / (high - low) : 0.5;
      return this.top + (1 - Math.min(1.03, Math.max(-0.03, fraction))) * this.height;
    }

    value(axis, y) {
      const fraction = Math.min(1, Math.max(0, 1 - (y - this.top) / this.height));
      const [low, high] = axis.span;
      return axis.log ? Math.exp(Math.log(low) + fraction * (Math.log(high) - Math.log(low))) : low + fraction * (high - low);
    }

    draw() {
      const held = this.controls.map((control) => (control.chosen() ? control.holds : () => true));
      const inside = this.trials.map((_, n) => n).filter((n) => held.every((holds, place) => holds(this.axes[place].values[n])));
      const kept = new Set(inside);
      for (const [n, path] of this.paths) {
        path.setAttribute("stroke-opacity", kept.has(n) ? this.before.get(n) : 0.04);
        path.toggleAttribute("data-dimmed", !kept.has(n));
      }
      this.brushes.replaceChildren(...this.axes.flatMap((axis, n) => (this.controls[n].chosen() ? this.controls[n].ranges() : []).map(([low, high]) => {
        const [top, bottom] = [this.y(axis, high), this.y(axis, low)];
        return element("rect", { x: axis.x - 7, width: 14, y: top, height: Math.max(2, bottom - top), fill: "var(--validation)", "fill-opacity": 0.3, stroke: "var(--validation)" });
      })));
      const figures = this.axes[this.axes.length - 1];
      const better = (one, other) => (this.best_is === "high" ? one > other : one < other);
      const best = inside.reduce((found, n) => (found === null || better(figures.values[n], figures.values[found]) ? n : found), null);
      const said = best === null ? "" : `; the best of them is trial ${this.trials[best]} with ${shown(figures.values[best])}`;
      this.output.textContent = `${inside.length} of ${this.trials.length} trials${said}`;
      this.all.hidden = inside.length === this.trials.length && !this.controls.some((control) => control.chosen());
    }

    listen() {
      let from = null;
      const at = (event) => {
        const box = this.svg.getBoundingClientRect(), [, , width, height] = this.svg.getAttribute("viewBox").split(" ").map(Number);
        return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
      };
      this.svg.addEventListener("pointerdown", (event) => {
        const [x, y] = at(event);
        const near = this.axes.findIndex((axis) => Math.abs(axis.x - x) < 18);
        if (event.pointerType !== "mouse" || near < 0) return;
        from = [near, y];
        this.svg.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      this.svg.addEventListener("pointermove", (event) => {
        if (from === null || Math.abs(at(event)[1] - from[1]) <= 4) return;
        const axis = this.axes[from[0]];
        const ends = [this.value(axis, from[1]), this.value(axis, at(event)[1])].sort((one, other) => one - other);
        this.controls[from[0]].set(...(axis.names.length ? [ends[0] - 0.1, ends[1] + 0.1] : ends));
        this.draw();
      });
      this.svg.addEventListener("pointerup", (event) => {
        if (from !== null && Math.abs(at(event)[1] - from[1]) <= 4) {
          this.controls[from[0]].set(null, null);
          this.draw();
        }
        from = null;
      });
      this.svg.addEventListener("pointercancel", () => { from = null; });
    }
  }

  document.querySelectorAll("figure.parallel").forEach((figure) => new Parallel(figure));
})();
