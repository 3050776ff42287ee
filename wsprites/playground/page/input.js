// What is held down, by keys, mouse and touch together.

const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const SCENE = { KeyA: "left", KeyD: "right", KeyW: "up", KeyS: "down" };
const ANIMATIONS = { KeyC: "spellcast", KeyX: "slash" };
const TURN = { left: 180, right: 0, up: 270, down: 90 };
const NAMES = { walk: "Walk", spellcast: "Cast", slash: "Slash", scene: "Scene" };
const KEYS = { walk: "Arrows", spellcast: "C", slash: "X", scene: "WASD" };

export class Input {
  // changed(held) is called with {walk, animation, facing, scene} whenever that is something else than before.
  constructor(changed) {
    this.changed = changed;
    this.held = []; // what is held down, in the order in which it was pressed: [source, kind, direction]
    this.last = "";
    addEventListener("blur", () => this.releaseAll());
    document.addEventListener("visibilitychange", () => document.hidden && this.releaseAll());
    addEventListener("keydown", (event) => this.key(event, true));
    addEventListener("keyup", (event) => this.key(event, false));
  }

  key(event, down) {
    const kind = event.code in ARROWS ? "walk" : event.code in SCENE ? "scene" : event.code in ANIMATIONS ? "animation" : null;
    if (!kind) return;
    if (!down) return this.release(event.code);
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!event.repeat) this.press(event.code, kind, ARROWS[event.code] ?? SCENE[event.code] ?? ANIMATIONS[event.code]);
  }

  press(source, kind, value, facing = null) {
    this.held = [...this.held.filter((each) => each[0] !== source), [source, kind, value, facing]];
    this.tell();
  }

  release(source) {
    this.held = this.held.filter((each) => each[0] !== source);
    this.tell();
  }

  releaseAll() {
    document.querySelectorAll(".pad .on").forEach((button) => button.classList.remove("on"));
    this.held = [];
    this.tell();
  }

  tell() {
    const last = (kind) => this.held.findLast((each) => each[1] === kind);
    const [, , animation = null, facing = null] = last("animation") ?? [];
    const held = { walk: last("walk")?.[2] ?? null, animation, facing, scene: last("scene")?.[2] ?? null };
    if (JSON.stringify(held) === this.last) return;
    this.last = JSON.stringify(held);
    this.changed(held);
  }

  // The pads of a world, in an element.
  build(element, { animations, facings, scene_moves: sceneMoves }) {
    const four = ["up", "left", "right", "down"], kinds = [["walk", four]];
    if (sceneMoves) kinds.push(["scene", four]);
    for (const name of ["spellcast", "slash"]) {
      if (animations.includes(name)) kinds.push([name, facings === 4 ? four : ["left", "right", "down"]]);
    }
    element.replaceChildren(...kinds.map(([kind, directions]) => this.pad(kind, directions)));
  }

  pad(kind, directions) {
    const pad = document.createElement("fieldset");
    pad.className = directions.length < 4 ? "pad short" : "pad";
    pad.dataset.kind = kind;
    pad.setAttribute("aria-label", `${NAMES[kind]} (${KEYS[kind]})`);
    const name = document.createElement("span");
    name.className = "name";
    name.append(NAMES[kind], document.createElement("br"), Object.assign(document.createElement("kbd"), { textContent: kind === "walk" ? "← →" : KEYS[kind] }));
    pad.append(name, ...directions.map((direction) => this.padButton(kind, direction)));
    return pad;
  }

  padButton(kind, direction) {
    const button = document.createElement("button");
    button.type = "button";
    button.style.gridArea = direction;
    const towards = kind === "spellcast" || kind === "slash" ? (direction === "down" ? "to the front" : direction === "up" ? "to the back" : `to the ${direction}`) : direction;
    button.setAttribute("aria-label", `${NAMES[kind]} ${towards}`);
    button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path transform="rotate(${TURN[direction]} 8 8)" d="M5 2.5v11l7-5.5z"/></svg>`;
    const source = `${kind} ${direction}`;
    const down = () => {
      button.classList.add("on");
      if (kind === "walk" || kind === "scene") this.press(source, kind, direction);
      else this.press(source, "animation", kind, direction);
    };
    const up = () => {
      button.classList.remove("on");
      this.release(source);
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      button.setPointerCapture(event.pointerId);
      down();
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(type, up);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => {
      if ((event.key === "Enter" || event.key === " ") && !event.repeat) down();
      if (event.key === "Enter" || event.key === " ") event.preventDefault();
    });
    button.addEventListener("keyup", (event) => (event.key === "Enter" || event.key === " ") && up());
    button.addEventListener("blur", up);
    return button;
  }
}

// Keys that some elements use; all of them, if they are not listed.
const OWN = { radio: /^(Arrow.*| )$/, range: /^(Arrow.*|Home|End|Page.*)$/, file: /^(Enter| )$/ };

// Whether a key belongs to the element that has the focus.
export function typing({ target, key }) {
  if (target instanceof HTMLInputElement) return OWN[target.type]?.test(key) ?? true;
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

// A choice made by mouse or touch does not keep the focus: the arrow keys that follow are for the character.
document.addEventListener("click", ({ target }) => target instanceof HTMLInputElement && target.type === "radio" && !target.matches(":focus-visible") && target.blur());
