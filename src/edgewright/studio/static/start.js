// A pipeline follows each change at once: the server checks, draws and estimates. All works without this file.
"use strict";

const form = () => document.getElementById("draft-form");
const PARTS = ["state", "bar", "notices", "canvas", "preview", "typed", "block-problem"];
const queue = [];
let sending = false, resting = 0;

// One request at a time, in order: no button is lost; changes of fields that wait for one another are sent together.
async function send(action, whole) {
  const last = queue.at(-1);
  if (action === "apply" && last?.[0] === "apply") last[1] ||= whole;
  else queue.push([action, whole]);
  if (sending) return;
  sending = true;
  try {
    while (queue.length) await deliver(...queue.shift());
  } catch {
    queue.length = 0;
    document.getElementById("notices").textContent = "The studio does not answer. Start it again; nothing is lost.";
  } finally { sending = false; }
  if (document.querySelector("[data-reading]")) setTimeout(() => send("apply", true), 400);
}
async function deliver(action, whole) {
  const fields = new FormData(form());
  fields.set("do", action);
  const answer = await fetch(form().action, { method: "POST", body: fields });
  if (answer.redirected && !answer.url.endsWith("/start")) { location.assign(answer.url); return; }
  show(new DOMParser().parseFromString(await answer.text(), "text/html"), whole);
}
function show(page, whole) {
  const focus = document.activeElement?.id, opened = [...document.querySelectorAll("details[open][id]")].map((one) => one.id);
  const swap = whole ? ["state", "bar", "notices", "canvas", "panel"] : PARTS;
  for (const id of swap) {
    const now = document.getElementById(id), next = page.getElementById(id);
    if (now && next) now.replaceWith(document.adoptNode(next)); // escaped by the server's templates
  }
  if (!whole) for (const next of page.querySelectorAll(".error[id]")) {
    const now = document.getElementById(next.id);
    if (now) now.textContent = next.textContent;
    const control = document.getElementById(next.id.replace(/-error$/, ""));
    if (control?.matches("input, select")) control.setAttribute("aria-invalid", String(Boolean(next.textContent)));
  }
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  const action = event.submitter?.value ?? "apply";
  event.preventDefault();
  clearTimeout(resting);
  send(action, true).then(() => {
    if (/^(select|insert:stages)/.test(action) && innerWidth <= 680) document.getElementById("panel").scrollIntoView();
  });
});
addEventListener("change", (event) => {
  const control = event.target;
  if (control.form !== form() || control.type === "file" || control.type === "range" || control.id === "draft") return;
  clearTimeout(resting);
  send("apply", "whole" in control.dataset);
});
addEventListener("input", (event) => {
  const control = event.target;
  if (control.form !== form()) return;
  if (control.type === "range") document.querySelector(`output[for="${control.id}"]`).textContent = control.value;
  if (!["range", "number"].includes(control.type) && control.id !== "draft") return;
  clearTimeout(resting);
  resting = setTimeout(() => send("apply"), control.type === "range" ? 60 : 350);
});
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("textarea, input:not([type=range], [type=checkbox])")) return;
  event.preventDefault();
  send(event.shiftKey ? "redo" : "undo", true);
});

// A stage is dragged onto another one, whose place it takes.
let dragged = null;
const stageAt = (event) => event.target.closest?.("#canvas [data-index]");
addEventListener("dragstart", (event) => { dragged = stageAt(event)?.dataset.index ?? null; });
addEventListener("dragover", (event) => {
  const over = stageAt(event);
  if (dragged === null || !over) return;
  event.preventDefault();
  for (const stage of document.querySelectorAll("#canvas [data-index]")) stage.classList.toggle("over", stage === over);
});
addEventListener("drop", (event) => {
  const over = stageAt(event);
  if (dragged === null || !over) return;
  event.preventDefault();
  if (over.dataset.index !== dragged) send(`move:stages:${dragged}:${over.dataset.index}`, true);
});
addEventListener("dragend", () => { dragged = null; for (const stage of document.querySelectorAll("#canvas .over")) stage.classList.remove("over"); });

if (document.querySelector("[data-reading]")) setTimeout(() => send("apply", true), 400);
