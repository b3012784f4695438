// Data and labels made handier: keys, dragging over a signal, the map without loading the page anew. All works without.
"use strict";

// Keys of a view: they follow the links that stand on the page.
for (const view of document.querySelectorAll(".panel.view")) {
  view.addEventListener("keydown", (event) => {
    if (event.target !== view || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key === "=" ? "+" : event.key;
    const link = [...document.querySelectorAll("a[data-key]")].find((a) => a.dataset.key === key);
    if (!link) return;
    event.preventDefault();
    sessionStorage.setItem("view", "focus");
    link.click();
  });
  if (sessionStorage.getItem("view")) { sessionStorage.removeItem("view"); view.focus(); }
}

// Dragging over a signal: `done(from, to)` gets shares of its width.
function drag(signals, done) {
  signals.dataset.drag = "";
  let from = null;
  const picked = document.createElement("div");
  picked.className = "picked";
  picked.hidden = true;
  signals.append(picked);
  const share = (event) => {
    const box = signals.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const show = (a, b) => {
    picked.hidden = false;
    picked.style.left = `${100 * Math.min(a, b)}%`;
    picked.style.width = `${100 * Math.abs(b - a)}%`;
  };
  signals.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch" || event.target.closest("a")) return;
    from = share(event);
    signals.setPointerCapture(event.pointerId);
    event.preventDefault();
    signals.closest("[tabindex]")?.focus({ preventScroll: true });
  });
  signals.addEventListener("pointermove", (event) => { if (from !== null) show(from, share(event)); });
  signals.addEventListener("pointercancel", () => { from = null; picked.hidden = true; });
  signals.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const a = Math.min(from, share(event)), b = Math.max(from, share(event));
    from = null;
    if ((b - a) * signals.clientWidth < 4) picked.hidden = true;
    else done(a, b);
  });
}

const zoom = document.querySelector(".view[data-zoom] .signals");
if (zoom) {
  const first = Number(zoom.dataset.first), rows = Number(zoom.dataset.end) - first;
  drag(zoom, (a, b) => {
    const address = new URL(zoom.closest(".view").dataset.zoom, location.href);
    address.searchParams.set("from", Math.floor(first + a * rows));
    address.searchParams.set("to", Math.ceil(first + b * rows));
    location.assign(address);
  });
}

// The editor: dragging sets start and end of the event that had the focus last, else of the new one.
const editor = document.querySelector(".view[data-edit] .signals");
if (editor) {
  const knots = JSON.parse(editor.dataset.knots);
  let aim = document.querySelector("tr[data-new]"), dragged = false;
  const mark = (row) => { aim.classList.remove("aim"); aim = row; aim.classList.add("aim"); };
  for (const row of document.querySelectorAll(".events tbody tr")) row.addEventListener("focusin", () => mark(row));
  mark(aim);
  const place = (share) => {
    const at = share * (knots.places.length - 1), i = Math.min(Math.floor(at), knots.places.length - 2);
    const value = knots.places[i] + (at - i) * (knots.places[i + 1] - knots.places[i]);
    return knots.digits ? String(Number(value.toFixed(knots.digits))) : String(Math.round(value));
  };
  drag(editor, (a, b) => {
    for (const [part, share] of [["start", a], ["end", b]]) {
      const input = aim.querySelector(`[data-part=${part}]`);
      input.value = place(share);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    aim.querySelector("[data-part=label]").focus({ preventScroll: true });
    dragged = true;
  });
  // A drag and a digit label a span: the digit stands for a known label, as the page lists them.
  const known = [...document.querySelectorAll("#known option")].map((option) => option.value);
  addEventListener("keydown", (event) => {
    const label = dragged && !event.ctrlKey && !event.metaKey && !event.altKey ? known[Number(event.key) - 1] : undefined;
    dragged = false;
    if (label === undefined) return;
    event.preventDefault();
    const input = aim.querySelector("[data-part=label]");
    input.value = label;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    sessionStorage.setItem("view", "focus");
    if (aim.matches("[data-new]")) form.requestSubmit(aim.querySelector("button[value=add]"));
  });
  // What is not saved is not lost by a slip.
  const form = document.querySelector("form[data-unsaved]");
  let changed = form.dataset.unsaved === "yes";
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button[value=save]"));
    }
  });
}

// The map: one point is in the order of the tab key, arrows go to the nearest one in their direction.
const map = document.querySelector("svg.map");
if (map) {
  const points = [...map.querySelectorAll("a")];
  const spot = (a) => a.querySelector("g").transform.baseVal[0].matrix;
  const places = new Map(points.map((a) => [a, [spot(a).e, spot(a).f]]));
  const only = (a) => { for (const p of points) p.tabIndex = p === a ? 0 : -1; };
  only(points.find((a) => a.hasAttribute("aria-current")) ?? points[0]);
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const here = event.target.closest("a");
    if (!way || !here) return;
    event.preventDefault();
    const [x, y] = places.get(here);
    let best = null, least = Infinity;
    for (const [a, [u, v]] of places) {
      const along = (u - x) * way[0] + (v - y) * way[1], aside = Math.abs((u - x) * way[1]) + Math.abs((v - y) * way[0]);
      if (a !== here && along > 0 && along >= aside && along + 2 * aside < least) { best = a; least = along + 2 * aside; }
    }
    if (best) { only(best); best.focus(); }
  });
  map.addEventListener("click", async (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const answer = await fetch(link.getAttribute("href"));
    if (!answer.ok) { location.assign(link.getAttribute("href")); return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("signal").replaceChildren(...page.getElementById("signal").childNodes);
    for (const p of points) p.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    only(link);
    history.replaceState(null, "", link.getAttribute("href").replace(/#.*/, ""));
  });
}
