// Saving figures as SVG and PNG, and giving charts what one points at, see charts.js.
"use strict";
(() => {
  const { NS, Chart, button, element } = Charts;

  // A figure as one SVG text with the colours of the page as it is shown now.
  const svgOf = (figure) => {
    const style = getComputedStyle(document.documentElement);
    const drawn = figure.querySelector("svg");
    const copy = drawn ? drawn.cloneNode(true) : composed(figure);
    const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
    for (const [key, value] of Object.entries({ xmlns: NS, width, height, "font-family": "system-ui, sans-serif", "font-size": 12, fill: "var(--ink)" }))
      copy.setAttribute(key, value);
    copy.querySelectorAll(".grid").forEach((line) => line.setAttribute("stroke", "var(--line)"));
    copy.prepend(element("rect", { width, height, fill: "var(--page)" }));
    copy.prepend(element("title", {}, figure.querySelector("figcaption").textContent));
    const text = new XMLSerializer().serializeToString(copy);
    return [text.replace(/var\((--[a-z]+)\)/g, (_, name) => style.getPropertyValue(name).trim()), width, height];
  };

  // Pictures with their captions, several beside each other, as one drawing.
  const composed = (figure) => {
    const cells = [...figure.querySelectorAll(".example")];
    const parts = cells.length ? cells : [figure];
    const wide = cells.length ? 150 : 460, across = cells.length ? Math.min(4, parts.length) : 1;
    const drawing = element("svg", {});
    let top = 26, lowest = 26;
    drawing.append(element("text", { x: 8, y: 18, "font-weight": 600 }, figure.querySelector("figcaption").textContent));
    parts.forEach((cell, number) => {
      if (number % across === 0) top = lowest;
      const left = 8 + (number % across) * (wide + 8);
      let y = top + 8;
      for (const image of cell.querySelectorAll("img")) {
        const width = Math.min(wide, cells.length ? 110 : 460), height = (width * image.clientHeight) / image.clientWidth;
        drawing.append(element("image", { href: image.src, x: left, y, width, height, style: "image-rendering: pixelated" }));
        y += height + 4;
      }
      if (cells.length) for (const line of cell.querySelectorAll(".line")) {
        for (const piece of line.textContent.match(/.{1,24}(\s|$)|.{1,24}/g) || [])
          drawing.append(element("text", { x: left, y: (y += 15) - 4 }, piece.trim()));
      }
      lowest = Math.max(lowest, y + 4);
    });
    drawing.setAttribute("viewBox", `0 0 ${16 + across * (wide + 8)} ${lowest + 8}`);
    return drawing;
  };

  const save = (address, figure, ending) => {
    const link = document.createElement("a");
    const name = figure.querySelector("figcaption").textContent.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
    link.href = address;
    link.download = `${name || "figure"}.${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  const savePng = (figure) => {
    const [text, width, height] = svgOf(figure);
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * height];
      const context = canvas.getContext("2d");
      context.scale(2, 2);
      context.drawImage(image, 0, 0, width, height);
      canvas.toBlob((blob) => save(URL.createObjectURL(blob), figure, "png"));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };

  for (const figure of document.querySelectorAll("figure")) {
    if (!figure.querySelector("svg, img")) continue;
    const bar = document.createElement("div");
    bar.className = "save";
    const name = figure.querySelector("figcaption").textContent;
    const [svg, png] = [
      button("SVG", () => save(URL.createObjectURL(new Blob([svgOf(figure)[0]], { type: "image/svg+xml" })), figure, "svg")),
      button("PNG", () => savePng(figure)),
    ];
    svg.setAttribute("aria-label", `save ${name} as SVG`);
    png.setAttribute("aria-label", `save ${name} as PNG`);
    bar.append(svg, png);
    const folded = figure.querySelector(":scope > details");
    if (folded) folded.before(bar); else figure.append(bar);
    if (figure.classList.contains("chart")) new Chart(figure);
  }

  for (const code of document.querySelectorAll("pre.command")) {
    if (!navigator.clipboard) continue;
    const copy = button("copy", async () => {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "copied";
    });
    code.after(copy);
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details.print").forEach((each) => { each.open = true; }));
})();
