// A mask that is dragged, turned, scaled and painted by hand: in the next frame of a model that takes masks, the character is there.

import { element } from "./element.js";

const TOOLS = { move: "Move", turn: "Turn", scale: "Scale", paint: "Paint", erase: "Erase" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TURN = Math.PI / 36, GROW = 1.05, FAR = 8, LEAST = 0.1, MOST = 10;
const EVERY = 50; // milliseconds between two masks that are sent
const TINT = [255, 60, 140], INSIDE = 90, EDGE = 255; // colour, and how opaque it is

export class MaskEditor {
  // source is the canvas of the model's frames; send(type, values, bytes) sends a message about the model; opened() is called on opening.
  constructor({ name, number, source, send, opened }) {
    Object.assign(this, { source, send, opened, open: false, tool: "move", timer: null, drag: null, brush: { x: 0, y: 0, radius: 4 } });
    this.toggle = element("button", { type: "button", textContent: "Draw the mask" });
    this.toggle.setAttribute("aria-pressed", "false");
    this.toggle.addEventListener("click", () => (this.open ? this.close() : this.start()));
    this.canvas = element("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `Mask of ${name}. Arrow keys move it, Q and E turn it, plus and minus scale it, Enter makes a step. With the tools Paint and Erase arrow keys move the brush, and Space paints.`);
    this.status = element("p", { className: "caption" });
    this.status.setAttribute("role", "status");
    this.body = element("div", { className: "mask-body", hidden: true }, this.canvas, this.controls(name, number));
    this.root = element("section", { className: "mask" }, element("div", { className: "row" }, this.toggle), this.body);
    this.listen();
    this.empty(1, 1);
  }

  controls(name, number) {
    const radios = Object.entries(TOOLS).map(([tool, text]) => {
      const radio = element("input", { type: "radio", name: `tool-${number}`, value: tool, checked: tool === this.tool });
      radio.addEventListener("change", () => {
        this.tool = tool;
        this.draw();
      });
      return element("label", {}, radio, text);
    });
    const size = element("input", { type: "range", min: 1, max: 16, value: this.brush.radius });
    size.addEventListener("input", () => {
      this.brush.radius = Number(size.value);
      this.draw();
    });
    const buttons = { Step: () => this.changed(), Clear: () => this.clear(), "Begin again": () => this.ask() };
    const made = Object.entries(buttons).map(([textContent, act]) => {
      const button = element("button", { type: "button", textContent });
      button.addEventListener("click", act);
      return button;
    });
    made[0].title = "One more frame, with the same mask";
    made[2].title = "With the mask of the model's last frame";
    const tools = element("fieldset", { className: "field" }, element("legend", { className: "name", textContent: "Drag to" }), element("div", { className: "choices" }, ...radios));
    const keys = [["←", "↑", "→", "↓"], "move, ", ["Q"], ["E"], "turn, ", ["+"], ["−"], "scale, ", ["Enter"], "step"];
    const hint = element("p", { className: "caption keys" }, ...keys.flatMap((each) => (typeof each === "string" ? [` ${each}`] : each.map((key) => element("kbd", { textContent: key })))));
    const range = element("label", { className: "name" }, "Brush", size);
    return element("div", { className: "mask-controls" }, tools, range, element("div", { className: "row" }, ...made), hint, this.status);
  }

  // Opening and closing.

  start() {
    this.opened();
    this.open = true;
    this.toggle.setAttribute("aria-pressed", "true");
    this.body.hidden = false;
    this.empty(this.source.width, this.source.height);
    this.draw();
    this.ask();
    this.canvas.focus({ preventScroll: true });
  }

  close() {
    if (!this.open) return;
    this.open = false;
    this.drag = null;
    clearTimeout(this.timer);
    this.timer = null;
    this.toggle.setAttribute("aria-pressed", "false");
    this.body.hidden = true;
    this.send("mask", {}, new Uint8Array());
  }

  empty(width, height) {
    Object.assign(this, { width, height });
    Object.assign(this.canvas, { width, height });
    this.tint = element("canvas", { width, height });
    Object.assign(this.brush, { x: Math.floor(width / 2), y: Math.floor(height / 2) });
    this.take(new Uint8Array(width * height));
  }

  // Asks for the mask of the model's last frame. Its answer must not replace what was drawn in the meantime.
  ask() {
    this.asked = true;
    this.send("read_mask", {});
  }

  // That mask: one bit a pixel.
  load({ width, height }, bits) {
    if (!this.asked || !this.open || width !== this.width || height !== this.height) return;
    this.take(Uint8Array.from({ length: width * height }, (_, pixel) => (bits[pixel >> 3] >> (7 - (pixel & 7))) & 1));
    this.draw();
  }

  // The mask. It is kept as it was before it was moved, so that moving it to and fro changes nothing.

  take(base) {
    let mass = 0, x = 0, y = 0;
    for (let pixel = 0; pixel < base.length; pixel++) {
      if (!base[pixel]) continue;
      mass++;
      x += pixel % this.width;
      y += Math.floor(pixel / this.width);
    }
    this.base = base;
    this.centre = mass ? [Math.round(x / mass), Math.round(y / mass)] : [this.width >> 1, this.height >> 1];
    this.at = { x: 0, y: 0, angle: 0, scale: 1 };
    this.mask = base.slice();
    this.tell();
  }

  place() {
    const { width, height, base, mask, at } = this, [cx, cy] = this.centre;
    const cos = Math.cos(at.angle) / at.scale, sin = Math.sin(at.angle) / at.scale;
    for (let y = 0, pixel = 0; y < height; y++) {
      for (let x = 0; x < width; x++, pixel++) {
        const dx = x - cx - at.x, dy = y - cy - at.y;
        const u = Math.round(cx + cos * dx + sin * dy), v = Math.round(cy - sin * dx + cos * dy);
        mask[pixel] = u >= 0 && u < width && v >= 0 && v < height ? base[v * width + u] : 0;
      }
    }
  }

  move(change) {
    Object.assign(this.at, change);
    this.at.scale = Math.min(Math.max(this.at.scale, LEAST), MOST);
    this.place();
    this.changed();
  }

  // Paints, or erases, from a point to another.
  paint([fromX, fromY], [toX, toY]) {
    const { width, height, brush: { radius } } = this, value = this.tool === "paint" ? 1 : 0, base = this.mask.slice();
    const dots = Math.max(1, Math.ceil(Math.hypot(toX - fromX, toY - fromY)));
    for (let dot = 0; dot <= dots; dot++) {
      const x = fromX + ((toX - fromX) * dot) / dots, y = fromY + ((toY - fromY) * dot) / dots;
      for (let v = Math.max(0, Math.ceil(y - radius)); v <= Math.min(height - 1, y + radius); v++) {
        for (let u = Math.max(0, Math.ceil(x - radius)); u <= Math.min(width - 1, x + radius); u++) {
          if (Math.hypot(u - x, v - y) <= radius) base[v * width + u] = value;
        }
      }
    }
    this.take(base);
    this.changed();
  }

  clear() {
    this.take(new Uint8Array(this.width * this.height));
    this.changed();
  }

  // What is drawn is sent, not more often than every EVERY milliseconds.
  changed() {
    this.asked = false;
    this.draw();
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.tell();
      this.send("mask", {}, this.bits());
    }, EVERY);
  }

  bits() {
    const bits = new Uint8Array(Math.ceil(this.mask.length / 8));
    this.mask.forEach((value, pixel) => (bits[pixel >> 3] |= value << (7 - (pixel & 7))));
    return bits;
  }

  tell() {
    const { x, y, angle, scale } = this.at, pixels = this.mask.reduce((sum, value) => sum + value, 0);
    const turned = Math.round((angle * 180) / Math.PI) % 360;
    this.status.textContent = `${pixels} pixels, centre ${this.centre[0] + x}, ${this.centre[1] + y}${turned ? `, turned ${turned}°` : ""}${scale !== 1 ? `, scaled by ${scale.toFixed(2)}` : ""}`;
  }

  // The model's last frame with the mask, and the brush.
  draw() {
    if (!this.open) return;
    const { width, height, mask, tool, brush } = this, image = new ImageData(width, height), context = this.canvas.getContext("2d");
    for (let pixel = 0; pixel < mask.length; pixel++) {
      if (!mask[pixel]) continue;
      const x = pixel % width, inside = x && x < width - 1 && mask[pixel - 1] && mask[pixel + 1] && mask[pixel - width] && mask[pixel + width];
      image.data.set([...TINT, inside ? INSIDE : EDGE], 4 * pixel);
    }
    this.tint.getContext("2d").putImageData(image, 0, 0);
    context.drawImage(this.source, 0, 0, width, height);
    context.drawImage(this.tint, 0, 0);
    if (tool !== "paint" && tool !== "erase") return;
    context.strokeStyle = "white";
    context.beginPath();
    context.arc(brush.x + 0.5, brush.y + 0.5, brush.radius, 0, 2 * Math.PI);
    context.stroke();
  }

  // Mouse, touch and keys.

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button || this.drag) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.drag = { id: event.pointerId, from: this.point(event), at: { ...this.at } };
      this.dragged(event);
    });
    this.canvas.addEventListener("pointermove", (event) => this.drag?.id === event.pointerId && this.dragged(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.canvas.addEventListener(type, (event) => this.drag?.id === event.pointerId && (this.drag = null));
    }
    this.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.key(event)) return;
      event.preventDefault();
      event.stopPropagation(); // it is not for the character of the world
    });
  }

  // The pixel under the pointer.
  point({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [Math.floor(((clientX - left) * this.width) / width), Math.floor(((clientY - top) * this.height) / height)];
  }

  dragged(event) {
    const { from, at } = this.drag, to = this.point(event);
    const centre = [this.centre[0] + at.x, this.centre[1] + at.y];
    const [before, now] = [from, to].map(([x, y]) => [x - centre[0], y - centre[1]]);
    if (this.tool === "move") return this.move({ x: at.x + to[0] - from[0], y: at.y + to[1] - from[1] });
    if (this.tool === "turn") return this.move({ angle: at.angle + Math.atan2(now[1], now[0]) - Math.atan2(before[1], before[0]) });
    if (this.tool === "scale") return this.move({ scale: (at.scale * Math.hypot(...now)) / Math.max(Math.hypot(...before), 2) });
    [this.brush.x, this.brush.y] = to;
    this.paint(from, to);
    this.drag.from = to;
  }

  // Does what a key stands for; false if it stands for nothing here.
  key({ key, shiftKey }) {
    const painting = this.tool === "paint" || this.tool === "erase", { at, brush } = this, arrow = ARROWS[key];
    if (arrow) {
      const [x, y] = arrow.map((step) => step * (shiftKey ? FAR : 1));
      if (!painting) this.move({ x: at.x + x, y: at.y + y });
      else {
        brush.x = Math.min(Math.max(brush.x + x, 0), this.width - 1);
        brush.y = Math.min(Math.max(brush.y + y, 0), this.height - 1);
        this.draw();
      }
    } else if (key === " " && painting) this.paint([brush.x, brush.y], [brush.x, brush.y]);
    else if (key === "Enter") this.changed();
    else if (/^[qe]$/i.test(key)) this.move({ angle: at.angle + (key.toLowerCase() === "e" ? TURN : -TURN) });
    else if (key === "+" || key === "=") this.move({ scale: at.scale * GROW });
    else if (key === "-") this.move({ scale: at.scale / GROW });
    else return false;
    return true;
  }
}
