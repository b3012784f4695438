// Keys of the review; it works without this file.
"use strict";

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  const pressed = document.querySelector(`.answers [data-digit="${CSS.escape(event.key)}"]`);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
});

// The button that labelled keeps the focus on the next item.
const kept = sessionStorage.getItem("label");
sessionStorage.removeItem("label");
// A page gives the focus to its suggestion first, before a frame is drawn.
if (kept !== null) requestAnimationFrame(() => [...document.querySelectorAll(".answers button[name=take]:not([autofocus])")].find((button) => button.value === kept)?.focus());
document.querySelector(".answers")?.addEventListener("submit", (event) => {
  if (event.submitter?.name === "take" && !event.submitter.autofocus) sessionStorage.setItem("label", event.submitter.value);
});
