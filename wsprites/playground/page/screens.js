// Canvases that show the latest frames, pixel by pixel, and how many of them a second.

export class Screens {
  // drawn(headers) is called after each drawing, with the headers of the frames in it.
  constructor(drawn) {
    this.drawn = drawn;
    this.canvases = new Map();
    this.waiting = new Map();
    this.times = new Map();
    this.scheduled = false;
  }

  add(source, canvas, { width, height }) {
    canvas.width = width;
    canvas.height = height;
    this.canvases.set(source, canvas);
    this.times.set(source, []);
  }

  put(header, pixels) {
    const replaced = this.waiting.get(header.source)?.[0].rows ?? []; // of a frame that is not drawn, the labels are kept
    this.waiting.set(header.source, [{ ...header, rows: [...replaced, ...header.rows] }, pixels]);
    if (!this.scheduled) requestAnimationFrame(() => this.draw());
    this.scheduled = true;
  }

  draw() {
    this.scheduled = false;
    const frames = [...this.waiting.values()], now = performance.now();
    this.waiting.clear();
    for (const [{ source, width, height }, pixels] of frames) {
      const canvas = this.canvases.get(source);
      if (!canvas) continue;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").putImageData(image(width, height, pixels), 0, 0);
      this.times.set(source, [...this.times.get(source).filter((time) => now - time < 1000), now]);
    }
    this.drawn(frames.map(([header]) => header), now);
  }

  // Forgets the frames that wait, and returns their numbers.
  clear() {
    const numbers = [...this.waiting.values()].map(([header]) => header.frame);
    this.waiting.clear();
    return numbers;
  }

  // Frames drawn in the last second.
  rate(source) {
    const now = performance.now();
    return (this.times.get(source) ?? []).filter((time) => now - time < 1000).length;
  }
}

function image(width, height, rgb) {
  const data = new ImageData(width, height), words = new Uint32Array(data.data.buffer);
  for (let pixel = 0, at = 0; pixel < words.length; pixel++, at += 3) {
    words[pixel] = 0xff000000 | (rgb[at + 2] << 16) | (rgb[at + 1] << 8) | rgb[at];
  }
  return data;
}
