// Flows made handier: states are dragged and connected, the page keeps its place. All works without this file.
"use strict";

const STEP = 10, SLACK = 4;
let drag = null;

const flowForm = () => document.getElementById("flow");
const node = (state) => document.querySelector(`.node[data-state="${CSS.escape(state)}"]`);
const touching = (state) => document.querySelectorAll(`[data-before="${CSS.escape(state)}"], [data-after="${CSS.escape(state)}"]`);

// Send the form and put the answer in place; the server draws, checks and keeps the table.
let pending = Promise.resolve();
function send(button) {
  return pending = pending.then(() => deliver(button)).catch(() => {
    const main = document.getElementById("main"), told = document.createElement("p");
    told.className = "notice bad";
    told.setAttribute("role", "alert");
    told.textContent = "The studio does not answer. Nothing is lost: start it again, then press the button again.";
    main.inert = false;
    main.prepend(told);
  });
}
async function deliver(button) {
  const form = flowForm(), fields = new FormData(form), focus = document.activeElement;
  fields.set("do", button);
  document.getElementById("main").inert = true; // what would be typed now would be lost
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(fields) });
  show(await answer.text(), answer, focus);
}
function show(text, answer, focus) {
  const page = new DOMParser().parseFromString(text, "text/html").getElementById("main");
  if (!page) { location.reload(); return; }
  const old = document.querySelector(".flow-canvas"), where = [old?.scrollLeft ?? 0, old?.scrollTop ?? 0];
  const open = [...document.querySelectorAll("details")].map((one) => one.open), pressed = focus?.value, id = focus?.id;
  page.querySelectorAll("details").forEach((one, index) => { one.open = open[index] || one.open; });
  document.getElementById("main").replaceWith(document.adoptNode(page)); // escaped by the server's templates
  document.querySelector(".flow-canvas")?.scrollTo(...where);
  if (answer.redirected) history.replaceState(null, "", answer.url);
  const again = id ? document.getElementById(id) : pressed && document.querySelector(`.flow button[value="${CSS.escape(pressed)}"]`);
  again?.focus({ preventScroll: true });
}

addEventListener("submit", async (event) => {
  if (event.target !== flowForm()) return;
  event.preventDefault();
  const button = event.submitter?.value ?? "apply";
  await send(button);
  // A new step wants its event first, a new state its name.
  if (button === "connect") document.getElementById("event")?.select();
  if (button.startsWith("select:")) document.getElementById("panel")?.scrollIntoView({ block: "nearest" });
  if (button.startsWith("from:")) document.getElementById("after_state")?.focus();
});

// Dragging: a node moves, its grip draws a line to another node.
addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".flow[data-edit] .grip"), box = grip ?? event.target.closest(".flow[data-edit] .node");
  if (!box || event.button) return;
  drag = { box, state: box.dataset.grip ?? box.dataset.state, grip: Boolean(grip), x: event.clientX, y: event.clientY, moved: false };
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (!drag.moved && Math.hypot(dx, dy) < SLACK) return;
  if (!drag.moved) {
    drag.moved = true;
    drag.svg = drag.box.ownerSVGElement;
    drag.svg.setPointerCapture(event.pointerId);
    drag.from = [Number(drag.box.getAttribute("x")), Number(drag.box.getAttribute("y"))];
    if (drag.grip) drag.svg.append(drag.line = document.createElementNS("http://www.w3.org/2000/svg", "path"));
    else for (const part of touching(drag.state)) part.classList.add("stale");
    drag.line?.setAttribute("class", "rubber");
  }
  event.preventDefault();
  if (drag.grip) {
    drag.line.setAttribute("d", `M${drag.from[0] + 12} ${drag.from[1] + 12}L${drag.from[0] + 12 + dx} ${drag.from[1] + 12 + dy}`);
    const over = under(event);
    for (const one of document.querySelectorAll(".node .box")) one.classList.toggle("target", one.parentNode === over);
  } else place(drag.state, drag.from[0] + dx, drag.from[1] + dy);
}, { passive: false });
let ended = -Infinity;
addEventListener("click", (event) => {
  if (event.timeStamp - ended < 300 && event.target.closest?.("svg.flow")) { event.preventDefault(); event.stopPropagation(); }
}, true);
addEventListener("pointerup", async (event) => {
  const done = drag;
  drag = null;
  if (!done?.moved) return;
  ended = event.timeStamp; // a finger's click follows its drag
  if (!done.grip) { await send("apply"); return; }
  done.line.remove();
  const over = under(event);
  if (over) await connect(done.state, over.dataset.state);
});
addEventListener("pointercancel", () => { if (drag?.moved) send("select:"); drag = null; });

function under(event) {
  return document.elementsFromPoint(event.clientX, event.clientY).map((one) => one.closest(".node")).find(Boolean);
}
function place(state, x, y) {
  const box = node(state), field = flowForm().elements[`at:${state}`];
  const origin = box.dataset.origin ??= [Number(box.getAttribute("x")), Number(box.getAttribute("y")), field.value].join(",");
  const [left, top, at, below] = origin.split(",").map(Number);
  const to = [Math.max(0, Math.round(at + x - left)), Math.max(0, Math.round(below + y - top))];
  box.setAttribute("x", left + to[0] - at);
  box.setAttribute("y", top + to[1] - below);
  field.value = to.join(",");
  const grip = document.querySelector(`.grip[data-grip="${CSS.escape(state)}"]`);
  grip?.setAttribute("x", left + to[0] - at + Number(box.getAttribute("width")) - 27);
  grip?.setAttribute("y", top + to[1] - below + 3);
}
async function connect(before, after) {
  const fields = flowForm().elements;
  fields.before.value = before;
  fields.after_state.value = after;
  fields.by.value = "";
  await send("connect");
  document.getElementById("event")?.select();
}

// Arrows move the node that has the focus; the server is asked when they rest.
let resting = 0;
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && flowForm()) { event.preventDefault(); send("save"); return; }
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const box = event.target.closest?.(".flow[data-edit] .node");
  if (!way || !box || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  place(box.dataset.state, Number(box.getAttribute("x")) + STEP * way[0], Number(box.getAttribute("y")) + STEP * way[1]);
  for (const part of touching(box.dataset.state)) part.classList.add("stale");
  clearTimeout(resting);
  resting = setTimeout(() => send("apply"), 500);
});

// What is not saved is not lost by a slip.
addEventListener("beforeunload", (event) => { if (flowForm()?.dataset.unsaved === "yes") event.preventDefault(); });
