// The models: their screens, the buttons of their codes, the sliders of their vectors, their plots, and what they read.

import { element } from "./element.js";
import { MaskEditor } from "./mask.js";
import { codeColour, colour, drawPlot, drawRuns } from "./runs.js";
import { fillOf, words } from "./words.js";

const SPAN = 120, BUTTONS = 64;

// Steps that the page has room for.
export function span() {
  return innerWidth < 720 ? SPAN / 2 : SPAN;
}

export class Model {
  constructor(number, about, send) {
    Object.assign(this, { number, about, send, rows: [], matches: [], loops: [], pinned: null });
    this.title = element("strong", { textContent: about.name, title: about.name });
    this.rate = element("span");
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `What ${about.name} generates`);
    this.fields = Object.fromEntries(["Off by", "Reads as", "Fit"].map((name) => [name, element("dd", { textContent: "–" })]));
    const labels = element("dl", { className: "labels" }, ...Object.entries(this.fields).map(([name, dd]) => element("div", {}, element("dt", { textContent: name }), dd)));
    this.problem = element("p", { className: "problem", hidden: true });
    this.screen = element("figure", { className: "screen" }, element("figcaption", {}, this.title, this.rate), this.canvas, labels, this.problem);
    this.codes = element("div", { className: "codes" });
    this.codes.setAttribute("role", "group");
    this.codes.setAttribute("aria-label", `Codes of ${about.name}`);
    this.sliders = element("div", { className: "sliders", hidden: true });
    this.caption = element("p", { className: "caption" });
    this.plot = element("canvas", { className: "plot" });
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", "No steps yet");
    this.legend = element("p", { className: "caption", textContent: "Error of the character's position. Marks: another animation is read (red), or no character (grey)." });
    this.panel = element("article", { className: "model" }, element("h2", { textContent: about.name }), this.caption, this.codes, this.sliders, this.plot, this.legend);
    this.generates = about.codes || about.vectors || about.shift || about.background_shift || about.masks;
    this.editor = about.masks
      ? new MaskEditor({ name: about.name, number, source: this.canvas, send: (type, values, bytes) => send(type, { model: number, ...values }, bytes), opened: () => this.pinned !== null && this.pin(null) })
      : null;
    if (this.editor) this.sliders.after(this.editor.root);
    if (about.modes.length) this.sliders.after(this.modes());
    this.codes.hidden = !about.codes;
    this.plot.hidden = this.legend.hidden = !this.generates;
    if (!this.generates) this.panel.append(this.problem); // its screen is not shown
    this.buildCodes();
  }

  learn({ loops, matches, ranges, ready, problem }) {
    Object.assign(this, { loops, matches, ready });
    this.buildCodes();
    if (ranges.length && this.sliders.hidden) this.buildSliders(ranges);
    if (problem) this.complain(problem);
  }

  buildCodes() {
    const { codes } = this.about;
    const still = this.ready ? "" : " It is being read from clips what they stand for.";
    this.caption.textContent = codes > BUTTONS
      ? `${codes} codes, of which the keys 1 to 9 hold the first; more than ${BUTTONS} have no buttons.${still}`
      : codes ? `${codes} codes, each held on the spot for 8 steps, and the animation that it occurs with most often.${still}`
      : this.generates ? `Takes ${this.takes()}.${still}` : "Generates no frames: it reads videos.";
    if (!codes || codes > BUTTONS) return;
    const auto = this.codeButton(null, element("span", { className: "blank", textContent: "match" }), "Automatic", "by the true action");
    const each = Array.from({ length: codes }, (_, code) => {
      const match = this.matches[code], loop = this.loops[code];
      const picture = loop ? element("img", { src: loop, alt: `What code ${code} does` }) : element("span", { className: "blank", textContent: "…" });
      const known = match ? `${words(match.action)} ${Math.round(100 * match.share)} %` : this.ready ? "not used" : " ";
      return this.codeButton(code, picture, `Code ${code}`, known);
    });
    this.codes.replaceChildren(auto, ...each);
    this.press();
  }

  codeButton(code, picture, name, known) {
    const button = element("button", { type: "button" }, picture, element("span", { textContent: name }), element("small", { textContent: known }));
    button.dataset.code = code ?? "";
    button.addEventListener("click", () => this.pin(code));
    return button;
  }

  pin(code) {
    if (code !== null && code >= this.about.codes) return;
    this.pinned = code === this.pinned ? null : code;
    if (this.pinned !== null) this.editor?.close(); // a mask that is drawn decides
    this.send("code", { model: this.number, code: this.pinned });
    this.press();
  }

  press() {
    for (const button of this.codes.children) button.setAttribute("aria-pressed", button.dataset.code === String(this.pinned ?? ""));
  }

  // How the model follows the videos that it reads.
  modes() {
    const radios = [...this.about.modes, null].map((mode, place) => {
      const radio = element("input", { type: "radio", name: `mode-${this.number}`, checked: !place });
      radio.addEventListener("change", () => this.send("follow", { model: this.number, mode }));
      return element("label", {}, radio, mode ?? "not at all");
    });
    const legend = element("legend", { className: "name", textContent: "Follow a video that is read, from the present picture" });
    return element("fieldset", { className: "field modes" }, legend, element("div", { className: "choices" }, ...radios));
  }

  following(mode, picture) {
    const about = `The video, and ${this.about.name} following it (${mode})`;
    return [element("p", { textContent: about }), element("img", { className: "driven", src: picture, alt: about })];
  }

  buildSliders(ranges) {
    const hint = this.about.codes ? "Variation of the code" : "Latent vector";
    const inputs = ranges.map(([low, high]) => {
      const reach = Math.max(Math.abs(low), Math.abs(high), 1e-3);
      return element("input", { type: "range", min: -1.5 * reach, max: 1.5 * reach, step: reach / 100, value: 0 });
    });
    const tell = () => this.send("vary", { model: this.number, vector: inputs.map((input) => Number(input.value)) });
    const rows = inputs.map((input, number) => {
      const value = element("span", { textContent: "–" });
      input.setAttribute("aria-label", `${hint}, number ${number + 1}`);
      input.addEventListener("input", () => {
        value.textContent = Number(input.value).toFixed(2);
        this.editor?.close();
        tell();
      });
      return element("label", {}, `v${number + 1}`, input, value);
    });
    const reset = element("button", { type: "button", textContent: this.about.codes ? "No variation" : "Automatic" });
    reset.addEventListener("click", () => {
      inputs.forEach((input, number) => {
        input.value = 0;
        rows[number].lastChild.textContent = "–";
      });
      this.send("vary", { model: this.number, vector: null });
    });
    const more = this.about.vectors - inputs.length;
    const rest = more > 0 ? element("p", { className: "note", textContent: `${more} more numbers are 0 while you vary these.` }) : "";
    this.sliders.replaceChildren(...rows, reset, rest);
    this.sliders.hidden = false;
  }

  takes() {
    const names = { vectors: `a vector of size ${this.about.vectors}`, shift: "the shift of the character", background_shift: "the shift of the scene", masks: "the mask of the character" };
    return Object.keys(names).filter((name) => this.about[name]).map((name) => names[name]).join(", ");
  }

  begin() {
    this.rows = [];
    this.editor?.close(); // its mask was drawn for another frame
    this.problem.hidden = true;
    this.show();
  }

  complain(line) {
    this.problem.textContent = line;
    this.problem.hidden = false;
  }

  put(rows, behind, actions) {
    for (const row of rows) {
      if (row[7]) this.begin(); // the frame that it begins with
      else this.rows = [...this.rows.slice(1 - SPAN), row];
    }
    this.behind = behind;
    this.editor?.draw();
    this.show(actions);
  }

  show(actions = []) {
    const [, error, action, right, fit, psnr, code] = this.rows.at(-1) ?? [0, null, -1, 0, null, null, -1];
    const set = (name, text, className = "") => Object.assign(this.fields[name], { textContent: text, className, title: text });
    set("Off by", error !== null ? `${error.toFixed(1)} px` : "–");
    set("Reads as", fit === null ? "–" : action < 0 ? "nothing" : words(actions[action] ?? ""), fit === null ? "" : right ? "good" : "bad");
    set("Fit", fit === null ? "–" : `${fit.toFixed(2)}, ${psnr.toFixed(0)} dB`);
    for (const button of this.codes.children) button.classList.toggle("used", button.dataset.code === String(code));
    if (this.plot.isConnected && !this.plot.hidden) drawPlot(this.plot, this.rows, span());
    const seen = this.rows.filter((row) => row[4] !== null), off = seen.map((row) => row[1]).filter((each) => each !== null);
    const mean = off.length ? (off.reduce((a, b) => a + b) / off.length).toFixed(1) : "–";
    const wrong = seen.filter((row) => !row[3]).length;
    this.plot.setAttribute("aria-label", seen.length ? `The last ${seen.length} steps: ${mean} pixels off on average, another animation in ${wrong}` : "No steps yet");
  }

  // The rows of what this model read: its codes, beside the true animations where they are known.
  reading({ codes, shift }, labels, actions) {
    const note = element("p"), rows = [];
    if (!codes) {
      note.textContent = `${this.about.name} reads no codes${shift ? `; mean shift ${meanLength(shift)} px a step` : ""}.`;
      return [note];
    }
    rows.push({ name: "Codes", cells: codes.map((code) => ({ text: String(code), fill: codeColour(code) })) });
    const matched = codes.map((code) => this.matches[code]?.action);
    if (this.matches.length) {
      rows.push({ name: "Match", cells: matched.map((action) => action && { text: words(action), fill: colour(fillOf(action)) }) });
      const right = labels && matched.filter((action, t) => labels[t] && action === actions[labels[t][1]]).length;
      note.textContent = this.about.name + (labels ? `: ${Math.round((100 * right) / codes.length)} % of the steps match the true animation` : "");
    } else note.textContent = this.about.name;
    return [note, ...rows.map((row) => bars([row], codes.length, `${row.name} of ${this.about.name}: ${summary(row.cells)}`))];
  }
}

export function bars(rows, span, label) {
  const canvas = element("canvas", { className: "runs" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  requestAnimationFrame(() => drawRuns(canvas, rows, span, { fromLeft: true }));
  canvas.redraw = () => drawRuns(canvas, rows, span, { fromLeft: true });
  return canvas;
}

// Runs of equal labels in words.
export function summary(cells) {
  const runs = [];
  for (const cell of cells) {
    const text = cell?.text ?? "unknown", last = runs.at(-1);
    if (last?.[0] === text) last[1]++;
    else runs.push([text, 1]);
  }
  return runs.slice(-24).map(([text, times]) => `${text} ${times}`).join(", ");
}

function meanLength(shifts) {
  return (shifts.reduce((sum, [x, y]) => sum + Math.hypot(x, y), 0) / shifts.length).toFixed(1);
}
