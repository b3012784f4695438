// A window of data played over time: a cursor moves along its signal. Without motion where a person asked for none.
"use strict";

// A window is played in its own time between these, in seconds; a shorter one slower, a longer one faster.
const SHORTEST = 1.5, LONGEST = 10;
const still = matchMedia("(prefers-reduced-motion: reduce)");

function player(box) {
  box.hidden = false;
  const [button, head, told] = ["button", "input", "output"].map((name) => box.querySelector(name));
  const real = Number(box.dataset.play), begin = Number(box.dataset.begin), width = Number(box.dataset.width);
  const lasts = real ? Math.min(LONGEST, Math.max(SHORTEST, real)) : 2 * SHORTEST;
  const cover = document.createElement("div");
  cover.className = "cover";
  cover.hidden = true;
  box.parentElement.querySelector(".signals").append(cover);
  let began = null;
  const speed = !still.matches && real && lasts !== real ? `, ${real < lasts ? "slowed" : "sped up"} ${Number(Math.max(lasts / real, real / lasts).toPrecision(2))} times` : "";
  const show = () => {
    const share = Number(head.value);
    cover.style.left = `${begin + share * width}%`;
    cover.style.width = `${(1 - share) * width}%`;
    cover.hidden = share === 1;
    const at = real ? `${Number((share * real).toPrecision(3))} of ${Number(real.toPrecision(3))} s` : `${Math.round(100 * share)} %, no sample rate known`;
    told.textContent = at + speed;
    head.setAttribute("aria-valuetext", at);
  };
  const stop = () => { began = null; button.textContent = "Play"; };
  const step = (now) => {
    if (began === null || !box.isConnected) return;
    head.value = Math.min(1, (now - began) / 1000 / lasts);
    show();
    if (Number(head.value) < 1) requestAnimationFrame(step);
    else stop();
  };
  if (still.matches) button.remove();
  button.addEventListener("click", () => {
    if (began !== null) { stop(); return; }
    const from = Number(head.value) < 1 ? Number(head.value) : 0;
    began = performance.now() - from * 1000 * lasts;
    button.textContent = "Pause";
    requestAnimationFrame(step);
  });
  head.addEventListener("input", () => { stop(); show(); });
}

// The map brings another window without loading the page anew.
const part = document.getElementById("signal");
if (part) {
  const find = () => { for (const box of part.querySelectorAll("[data-play][hidden]")) player(box); };
  new MutationObserver(find).observe(part, { childList: true });
  find();
}
