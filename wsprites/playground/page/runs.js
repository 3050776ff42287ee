// Drawings that roll with time: runs of equal labels as bars, and the plot of a model's error.

const AXIS = 74; // pixels left of the bars, for the names of rows

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// The colour of a code. Text on it, in the colour of cards, can be read in both schemes, whatever the hue.
export function codeColour(code) {
  const lightness = matchMedia("(prefers-color-scheme: dark)").matches ? 68 : 32;
  return `hsl(${(code * 137 + 20) % 360} 45% ${lightness}%)`;
}

// A canvas with one unit for each pixel of the page, sharp on every screen.
export function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

// Bars: rows is [{name, cells: [{text, fill, faint} or null, ...]}], the last `span` cells of each, ending at the right.
export function drawRuns(canvas, rows, span, { fromLeft = false } = {}) {
  const [context, width, height] = prepared(canvas);
  if (!width) return; // hidden
  const axis = width < 480 ? 66 : AXIS, step = Math.max(width - axis, 0) / span, each = height / rows.length;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  rows.forEach(({ name, cells }, number) => {
    const top = number * each + 2, tall = each - 4;
    context.fillStyle = colour("muted");
    context.fillText(name, 0, top + tall / 2);
    context.fillStyle = colour("soft");
    context.fillRect(axis, top, width - axis, tall);
    const shown = cells.slice(-span), first = fromLeft ? 0 : span - shown.length;
    for (let begin = 0; begin < shown.length;) {
      let end = begin + 1;
      while (end < shown.length && shown[end]?.text === shown[begin]?.text) end++;
      if (shown[begin]) drawRun(context, shown[begin], axis + (first + begin) * step, top, (end - begin) * step, tall);
      begin = end;
    }
  });
}

function drawRun(context, { text, fill, faint }, left, top, wide, tall) {
  context.fillStyle = fill;
  context.globalAlpha = faint ? 0.22 : 1;
  context.beginPath();
  context.roundRect(left + 0.5, top, Math.max(wide - 1, 1), tall, Math.min(3, wide / 3));
  context.fill();
  context.globalAlpha = 1;
  if (context.measureText(text).width + 10 > wide) return;
  context.fillStyle = faint ? colour("ink") : colour("card");
  context.fillText(text, left + 6, top + tall / 2 + 0.5);
}

// The error of a model's position in pixels, with a mark under each step whose action is another.
export function drawPlot(canvas, rows, span) {
  const [context, width, height] = prepared(canvas);
  if (!width) return;
  const shown = rows.slice(-span), known = shown.map((row) => row[1]).filter((error) => error !== null);
  const axis = width < 480 ? 66 : AXIS, step = Math.max(width - axis, 0) / span, floor = height - 14;
  const most = Math.max(8, 2 ** Math.ceil(Math.log2(Math.max(1, ...known))));
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    const y = floor - share * (floor - 8);
    context.fillStyle = colour("muted");
    context.fillText(`${most * share} px`, 0, y);
    context.fillStyle = colour("line");
    context.fillRect(axis, y, width - axis, 1);
  }
  const x = (number) => axis + (span - shown.length + number + 0.5) * step, y = (error) => floor - Math.min(error / most, 1) * (floor - 8);
  context.strokeStyle = colour("character");
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  shown.forEach(([, error], number) => {
    if (error === null) return;
    const before = number && shown[number - 1][1] !== null;
    context[before ? "lineTo" : "moveTo"](x(number), y(error));
    if (!before) context.lineTo(x(number) + 0.1, y(error));
  });
  context.stroke();
  shown.forEach(([, error, action, right, fit], number) => {
    if (fit === null || (right && error !== null)) return;
    context.fillStyle = action < 0 ? colour("muted") : colour("bad");
    context.fillRect(x(number) - Math.max(step - 1, 1) / 2, height - 8, Math.max(step - 1, 1), 6);
  });
}
