// A drawing area, and what is drawn there as a picture of the model's size: cut out, scaled and centred as the digits of
// MNIST are (LeCun et al. 1998): the longer side fills the picture but for a margin, and the centre of mass of the ink
// is the picture's centre.

const PEN = 22; // pixels
const STEP = 7; // pixels that an arrow key moves the pen

export class Drawing {
  // picture: height, width and draw (margin, light_on_dark) of the model. changed: called after each stroke.
  constructor(canvas, picture, changed) {
    this.canvas = canvas;
    this.picture = picture;
    this.changed = changed;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.at = { x: canvas.width / 2, y: canvas.height / 2 };
    this.down = false;
    this.keyDown = false;
    this.clear();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.down && this.lineTo(this.place(event)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.end());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.showPen());
  }

  get ink() { return this.picture.draw.light_on_dark ? "#fff" : "#000"; }
  get ground() { return this.picture.draw.light_on_dark ? "#000" : "#fff"; }

  clear() {
    this.drawn = document.createElement("canvas");
    this.drawn.width = this.canvas.width;
    this.drawn.height = this.canvas.height;
    const pen = this.drawn.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = this.ground;
    pen.fillRect(0, 0, this.drawn.width, this.drawn.height);
    pen.strokeStyle = this.ink;
    pen.lineWidth = PEN;
    pen.lineCap = pen.lineJoin = "round";
    this.pen = pen;
    this.empty = true;
    this.showPen();
  }

  // Copies what is drawn to the page; with the keyboard's pen over it, where that is in use.
  showPen() {
    this.context.drawImage(this.drawn, 0, 0);
    if (document.activeElement !== this.canvas || !this.byKey) return;
    this.context.beginPath();
    this.context.arc(this.at.x, this.at.y, PEN / 2, 0, 2 * Math.PI);
    this.context.lineWidth = 3;
    this.context.strokeStyle = this.keyDown ? "#e11d48" : "#2563eb";
    this.context.stroke();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus();
    this.byKey = false;
    this.down = true;
    this.at = this.place(event);
    this.lineTo(this.at);
  }

  lineTo(place) {
    this.pen.beginPath();
    this.pen.moveTo(this.at.x, this.at.y);
    this.pen.lineTo(place.x, place.y);
    this.pen.stroke();
    this.at = place;
    this.empty = false;
    this.showPen();
  }

  end() {
    if (!this.down) return;
    this.down = false;
    this.changed();
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") {
      this.byKey = true;
      this.keyDown = !this.keyDown;
      if (this.keyDown) this.lineTo(this.at);
      else this.changed();
    } else if (event.key in moves) {
      this.byKey = true;
      const [x, y] = moves[event.key];
      const within = (value, size) => Math.min(Math.max(value, PEN / 2), size - PEN / 2);
      const to = {
        x: within(this.at.x + STEP * x, this.canvas.width),
        y: within(this.at.y + STEP * y, this.canvas.height),
      };
      if (this.keyDown) this.lineTo(to);
      else this.at = to;
    } else return;
    event.preventDefault();
    this.showPen();
  }

  // Returns a canvas of the model's size; null where nothing is drawn.
  toPicture() {
    const ink = this.inkOfPixels();
    const box = bounds(ink, this.canvas.width, this.canvas.height);
    if (box === null) return null;
    const { height, width, draw } = this.picture;
    const room = { width: width - 2 * draw.margin, height: height - 2 * draw.margin };
    const scale = Math.min(room.width / box.width, room.height / box.height);
    const small = averaged(ink, this.canvas.width, box, scale, width, height);
    return painted(small, width, height, draw.light_on_dark);
  }

  // Returns how much ink each pixel has, from 0 to 1.
  inkOfPixels() {
    const { data } = this.pen.getImageData(0, 0, this.drawn.width, this.drawn.height);
    const ink = new Float64Array(data.length / 4);
    for (let i = 0; i < ink.length; i++) ink[i] = this.picture.draw.light_on_dark ? data[4 * i] / 255 : 1 - data[4 * i] / 255;
    return ink;
  }
}

function bounds(ink, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] < 0.1) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

// Returns the ink in a picture of another size, (height x width), with the centre of mass in its middle: each pixel is
// the mean of the square that it covers.
function averaged(ink, stride, box, scale, width, height) {
  let [mass, ofX, ofY] = [0, 0, 0];
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let x = box.left; x < box.left + box.width; x++) {
      const value = ink[y * stride + x];
      mass += value;
      ofX += value * (x + 0.5);
      ofY += value * (y + 0.5);
    }
  }
  // Where the box comes to lie; it may not reach beyond the picture.
  const start = (centre, first, size, room) =>
    Math.min(Math.max(room / 2 - (centre - first) * scale, 0), room - size * scale);
  const left = start(ofX / mass, box.left, box.width, width);
  const top = start(ofY / mass, box.top, box.height, height);
  const small = new Float64Array(width * height);
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let x = box.left; x < box.left + box.width; x++) {
      const value = ink[y * stride + x];
      if (value) spread(small, width, height, left + (x - box.left) * scale, top + (y - box.top) * scale, scale, value);
    }
  }
  return small;
}

// Adds a square of ink to the pixels that it lies on, each by the area that they share.
function spread(small, width, height, left, top, size, value) {
  const last = (end, room) => Math.min(Math.ceil(end), room);
  for (let row = Math.floor(top); row < last(top + size, height); row++) {
    const tall = Math.min(top + size, row + 1) - Math.max(top, row);
    for (let column = Math.floor(left); column < last(left + size, width); column++) {
      const wide = Math.min(left + size, column + 1) - Math.max(left, column);
      small[row * width + column] += value * wide * tall;
    }
  }
}

function painted(ink, width, height, lightOnDark) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  ink.forEach((value, i) => {
    const light = Math.round(255 * Math.min(value, 1));
    image.data.set([0, 1, 2].map(() => (lightOnDark ? light : 255 - light)).concat(255), 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
