// The guided start made handier: a file is dropped, and what is shown follows each choice. All works without this file.
"use strict";

for (const form of document.querySelectorAll("[data-drop]")) {
  const field = form.querySelector("input[type=file]");
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    field.files = event.dataTransfer.files;
    form.requestSubmit();
  });
}

// <form data-preview>: a choice brings the page anew without leaving its place; the latest choice counts.
let latest = 0;
addEventListener("change", async (event) => {
  const form = event.target.closest("[data-preview]");
  if (!form) return;
  if (event.target.dataset.of) form.elements[event.target.dataset.of].value = event.target.dataset.to;
  const mine = ++latest, address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
  const main = document.getElementById("main");
  main.setAttribute("aria-busy", "true");
  const answer = await fetch(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  if (mine !== latest || !page) return;
  const focus = document.activeElement.id, open = [...document.querySelectorAll("details")].map((one) => one.open);
  page.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? one.open; });
  main.replaceWith(document.adoptNode(page)); // escaped by the server's templates
  history.replaceState(null, "", address);
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
});
addEventListener("input", (event) => {
  if (event.target.type === "range") document.querySelector(`output[for="${event.target.id}"]`).textContent = event.target.value;
});
