// Labels in words, and the colour of each animation.

export const OPPOSITE = { left: "right", right: "left", up: "down", down: "up" };
const VERBS = { walk: "walk", spellcast: "cast", slash: "slash" };
const PRESENT = { walk: "walks", spellcast: "casts", slash: "slashes" };

// "walk_left" -> "walk left"
export function words(action) {
  const [animation, facing] = action.split("_");
  return facing ? `${VERBS[animation] ?? animation} ${facing}` : action;
}

export function fillOf(action) {
  return action.split("_")[0];
}

// What happened in a step, for people who listen.
export function sentence({ direction, moved, action, sceneMoved, scene }) {
  const [animation, facing] = action.split("_");
  const towards = `to the ${facing}`;
  const step = direction === "stay" ? "on the spot" : moved ? `and moves ${direction}` : `and is stopped by the edge ${direction}`;
  const behind = scene ? `, the scene ${sceneMoved ? "moves" : "cannot move"} ${scene}` : "";
  return `The character ${PRESENT[animation] ?? animation} ${towards} ${step}${behind}`;
}
