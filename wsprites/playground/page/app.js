// The page: connects what the server sends with what is shown, and what people do with what is sent.

import { element } from "./element.js";
import { Input, typing } from "./input.js";
import { Link, VERSION } from "./link.js";
import { bars, Model, span, summary } from "./models.js";
import { colour, drawRuns } from "./runs.js";
import { Screens } from "./screens.js";
import { fillOf, OPPOSITE, sentence, words } from "./words.js";

const SPAN = 120, MAX_FILE = 2 ** 24, PACES = [5, 10, 20, 30];
const VIEWS = { true: "World", still: "Still", blank: "Black", character: "Other" };
const VIEW_TITLES = { true: "The world as it is", still: "Its twin with a scene that stands still", blank: "Its twin in front of black", character: "Its twin with another character" };
const $ = (id) => document.getElementById(id);

const state = { rows: [], models: [], clip: null, view: "true", pace: 10, autoplay: false, sent: new Map(), input: 0, answered: 0, latency: null, video: null, names: null };
window.playground = state; // for tests and for the curious

const screens = new Screens(drawn);
const input = new Input((held) => {
  state.input += 1;
  if (Object.values(held).some(Boolean)) state.sent.set(state.input, performance.now());
  if (state.autoplay && Object.values(held).some(Boolean)) setAutoplay(false);
  link.send("input", { id: state.input, ...held });
});
const link = new Link({ open: greet, text: received, binary: receivedBinary, close: lost });

// The connection.

function greet() {
  document.body.classList.add("connected");
  $("link-state").textContent = "Connected";
  state.sent.clear();
  link.send("hello", { version: VERSION, clip: state.clip });
}

function lost(final, reason) {
  document.body.classList.remove("connected");
  input.releaseAll();
  $("link-state").textContent = final ? `${reason || "Disconnected"}. Press R or load the page again.` : "Disconnected, connecting again";
}

const TEXTS = {
  hello: welcomed,
  clip: begun,
  model: (message) => state.models[message.model]?.learn(message),
  problem: complained,
  picture: ({ name, note }) => ($("picture-note").textContent = `The models begin with ${name}${note ? ` (${note})` : ""}. R returns to the world.`),
  video: showVideo,
  reading: showReading,
  driven: ({ model, mode, picture }) => readingOf(model)?.append(...state.models[model].following(mode, picture)),
};

function received(message) {
  TEXTS[message.type]?.(message);
}

function receivedBinary(header, content) {
  if (header.type === "frame") screens.put(header, content);
  if (header.type === "file") keep(header, content);
  if (header.type === "mask") state.models[header.model]?.editor?.load(header, content);
}

function welcomed({ world, models, global_actions: globals, local_actions: locals }) {
  state.world = world;
  state.names = { globals, locals };
  $("world-name").textContent = `World ${world.name}`;
  screens.add(0, $("world"), world);
  input.build($("pads"), world);
  state.models.forEach((model) => (model.screen.remove(), model.panel.remove()));
  state.models = models.map((about, number) => new Model(number, about, (type, values, bytes) => (bytes ? link.sendBytes(type, values, bytes) : link.send(type, values))));
  for (const model of state.models) {
    if (model.generates) $("screens").append(model.screen);
    $("models").append(model.panel);
    screens.add(model.number + 1, model.canvas, world);
  }
  $("screens").classList.toggle("alone", !state.models.some((model) => model.generates));
  $("model-actions").hidden = !models.length;
  // A new connection knows nothing of what was chosen before.
  if (state.view !== "true") link.send("view", { view: state.view });
  link.send("pace", { pace: state.pace });
  if (state.autoplay) link.send("autoplay", { on: true });
}

function begun({ clip, character }) {
  state.clip = clip;
  state.rows = [];
  const numbers = screens.clear();
  if (numbers.length) link.send("shown", { frame: Math.max(...numbers) }); // or the server waits for them to be drawn
  $("clip").value = clip;
  $("world-clip").textContent = `clip ${clip}, character ${character}`;
  forgetPicture();
  state.models.forEach((model) => model.begin());
}

// Frames.

function drawn(headers, now) {
  for (const header of headers) {
    if (header.source) {
      state.models[header.source - 1]?.put(header.rows, header.behind, state.names.locals);
      continue;
    }
    // A step is sent again when models begin again; begun has emptied the rows of the clip before.
    for (const row of header.rows) if (row[0] > (state.rows.at(-1)?.[0] ?? -1)) state.rows.push(row);
    state.rows = state.rows.slice(-SPAN);
    state.answered = header.input;
    measured(header.input, now);
  }
  if (headers.length) link.send("shown", { frame: Math.max(...headers.map((header) => header.frame)) });
  if (headers.some((header) => header.source === 0)) showLabels();
  showMeters();
}

function measured(number, now) {
  for (const [id, time] of state.sent) {
    if (id > number) break;
    state.sent.delete(id);
    if (id === number) state.latency = now - time;
  }
}

function showMeters() {
  const rate = screens.rate(0);
  const latency = state.latency === null ? "" : `, ${state.latency.toFixed(0)} ms from key to frame`;
  $("meters").textContent = rate > 1 ? `${rate} frames/s${latency}` : state.latency === null ? "" : `waits for you${latency}`;
  for (const model of state.models) {
    const each = screens.rate(model.number + 1);
    model.rate.textContent = model.behind > 1 ? `${each} frames/s, ${model.behind} steps behind` : each > 1 ? `${each} frames/s` : "";
  }
}
setInterval(showMeters, 500);

// A file that was written, as a download.
function keep({ name, notes }, content) {
  const address = URL.createObjectURL(new Blob([content]));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  tell(notes.length ? `${name}: ${notes.join("; ")}` : `${name} is saved`);
}

// What happened.

function happened([, global, local, background, , , , x, y, sceneX, sceneY]) {
  const { globals, locals } = state.names, direction = globals[global], scene = OPPOSITE[globals[background]] ?? null;
  return { direction, action: locals[local], scene, shift: Math.abs(x + y), moved: x || y, sceneShift: Math.abs(sceneX + sceneY), sceneMoved: sceneX || sceneY };
}

let spoken = "";
function showLabels() {
  const row = state.rows.at(-1);
  if (!row) return;
  const now = happened(row);
  $("label-global").textContent = now.direction === "stay" ? "stays" : `${now.direction} ${now.shift} px`;
  $("label-local").textContent = `${words(now.action)} ${row[4] + 1}/8`;
  $("label-scene").textContent = now.scene ? `${now.scene} ${now.sceneShift} px` : "stands still";
  const text = sentence(now);
  $("world").setAttribute("aria-label", `Step ${row[0]}: ${text}`);
  if (text !== spoken) $("live").textContent = spoken = text;
  showHistory();
}

function showHistory() {
  const steps = state.rows.map(happened), [green, blue] = [colour("character"), colour("scene")];
  const rows = [
    { name: "Step", cells: steps.map(({ direction }) => ({ text: direction === "stay" ? "stays" : direction, fill: green, faint: direction === "stay" })) },
    { name: "Animation", cells: steps.map(({ action }) => ({ text: words(action), fill: colour(fillOf(action)) })) },
    { name: "Scene", cells: steps.map(({ scene }) => ({ text: scene ?? "still", fill: blue, faint: !scene })) },
  ];
  drawRuns($("history"), rows, span());
  $("history").setAttribute("aria-label", rows.map((each) => `${each.name}: ${summary(each.cells.slice(-20))}`).join(". "));
}

// What models read.

function showVideo({ name, note, frames, strip, labels }) {
  state.video = { frames, labels, waiting: new Set(state.models.keys()) };
  $("reading").hidden = false;
  $("reading-name").textContent = `${name}${note ? `, ${note}` : ""}`;
  Object.assign($("reading-strip"), { src: strip, alt: `Frames of ${name}` });
  const rows = [];
  if (labels) {
    const cells = labels.map(([, local]) => state.names.locals[local]).map((action) => ({ text: words(action), fill: colour(fillOf(action)) }));
    rows.push(element("p", { textContent: "The true animation" }), bars([{ name: "Truth", cells }], cells.length, `The true animation: ${summary(cells)}`));
  }
  $("reading-rows").replaceChildren(...rows, ...state.models.map(({ about }) => element("div", { textContent: `${about.name} is reading …`, className: "caption" })));
  $("reading").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function readingOf(model) {
  return $("reading-rows").children[(state.video?.labels ? 2 : 0) + model];
}

function showReading(message) {
  state.video?.waiting.delete(message.model);
  readingOf(message.model)?.replaceChildren(...state.models[message.model].reading(message, state.video.labels, state.names.locals));
}

function complained({ model, line }) {
  if (model === null) return tell(line);
  state.models[model].complain(line);
  // Its reading, if it comes all the same, takes the place of the line.
  if (state.video?.waiting.has(model)) readingOf(model)?.replaceChildren(`${state.models[model].about.name}: ${line}`);
}

// Settings.

function choices(id, values, chosen) {
  const made = Object.entries(values).map(([value, text]) => {
    const radio = element("input", { type: "radio", name: id, value });
    radio.addEventListener("change", () => chosen(value));
    return element("label", { title: id === "view" ? VIEW_TITLES[value] : "" }, radio, text);
  });
  document.querySelector(`#${id} .choices`).append(...made);
}

// The models begin with the world again.
function forgetPicture() {
  $("picture-note").textContent = "Or drop a picture, a GIF or a video on the page.";
}

function setView(view) {
  state.view = view;
  forgetPicture();
  document.querySelector(`#view [value="${view}"]`).checked = true;
  state.models.forEach((model) => model.begin());
  link.send("view", { view });
}

function setPace(pace) {
  state.pace = Number(pace);
  document.querySelector(`#pace [value="${pace}"]`).checked = true;
  link.send("pace", { pace: state.pace });
}

function setAutoplay(on) {
  state.autoplay = on;
  $("autoplay").setAttribute("aria-pressed", on);
  link.send("autoplay", { on });
}

function another(clip = null) {
  if (!link.connected) link.open();
  state.clip = clip;
  link.send("clip", { clip });
}

function tell(line) {
  const shown = element("p", { textContent: line });
  $("problems").replaceChildren(shown);
  setTimeout(() => shown.remove(), 8000);
}

async function upload(file) {
  if (file.size > MAX_FILE) return tell(`${file.name} has more than ${MAX_FILE / 2 ** 20} MiB; choose a smaller file`);
  if (!state.models.length) return tell("There is no model that could use it: start the playground with a model");
  const still = /^image\/(png|jpeg|webp)$/.test(file.type);
  link.sendBytes(still ? "picture" : "video", { name: file.name.replace(/[^\x20-\x7e]/g, "_").slice(-100) }, await file.arrayBuffer());
}

choices("view", VIEWS, setView);
choices("pace", Object.fromEntries(PACES.map((pace) => [pace, pace])), setPace);
setView(state.view);
setPace(state.pace);
$("another").addEventListener("click", () => another());
$("autoplay").addEventListener("click", () => setAutoplay(!state.autoplay));
$("restart").addEventListener("click", restart);
for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => link.send("save", { format: button.dataset.save, driver: $("driver").value.trim() }));
}
$("infer").addEventListener("click", () => link.send("infer"));
$("infer-before").addEventListener("click", () => link.send("infer", { before: true }));
$("clip-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (/^\d+$/.test($("clip").value)) another(Number($("clip").value));
  $("clip").blur();
});
for (const id of ["picture-file", "video-file"]) {
  $(id).addEventListener("change", ({ target }) => {
    if (target.files[0]) upload(target.files[0]);
    target.value = "";
  });
}

function restart() {
  state.models.forEach((model) => model.begin());
  link.send("restart");
}

// Keys that are not held down.

const HELP = [
  [["←", "↑", "→", "↓"], "walk"],
  [["C"], "cast in the direction that the character faces; with an arrow in that direction"],
  [["X"], "slash, likewise"],
  [["W", "A", "S", "D"], "move the scene"],
  [["R"], "another clip"],
  [["Space"], "play the clip's own actions, or stop"],
  [["T"], "the world, then its twins: still scene, black, other character"],
  [["1", "…", "9"], "hold code 0 to 8 of the first model; 0: match the true action"],
  [["M"], "models begin again: at the frame that the world shows, or with the picture"],
  [["I"], "models read the last steps"],
  [["B"], "models read the last steps of the clip before"],
  [["?"], "this list"],
];
$("keys").append(...HELP.flatMap(([keys, text]) => [element("dt", {}, ...keys.map((key) => element("kbd", { textContent: key }))), element("dd", { textContent: text })]));
$("help-open").addEventListener("click", () => $("help").showModal());

const PRESSED = {
  r: () => another(),
  t: () => setView(Object.keys(VIEWS)[(Object.keys(VIEWS).indexOf(state.view) + 1) % 4]),
  m: restart,
  i: () => link.send("infer"),
  b: () => link.send("infer", { before: true }),
  " ": () => setAutoplay(!state.autoplay),
  "?": () => $("help").showModal(),
};
addEventListener("keydown", (event) => {
  if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("help").open) return;
  if (event.key === " " && event.target instanceof HTMLButtonElement) return;
  const code = /^\d$/.test(event.key) ? Number(event.key) : null, model = state.models.find(({ about }) => about.codes);
  if (code !== null && model) model.pin(code ? code - 1 : null);
  const action = PRESSED[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});

// Files that are dropped.

addEventListener("dragenter", (event) => ($("drop").hidden = !event.dataTransfer?.types.includes("Files")));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", (event) => event.relatedTarget === null && ($("drop").hidden = true));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  if (event.dataTransfer.files[0]) upload(event.dataTransfer.files[0]);
});

// What is drawn in the size and the colours of the page is drawn again when these change.

function redraw() {
  if (state.rows.length) showHistory();
  state.models.forEach((model) => model.show(state.names.locals));
  document.querySelectorAll(".runs").forEach((canvas) => canvas.redraw());
}
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
