// What is live: parts of a page that come again from the server as they change. All pages work without this file.
"use strict";

// <div data-live="ADDRESS">: server-sent events replace the parts named in them and say when it is over.
for (const region of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(region.dataset.live);
  const said = document.getElementById("said"), shown = {};
  source.addEventListener("parts", (event) => {
    for (const [name, html] of Object.entries(JSON.parse(event.data))) {
      const part = document.getElementById(name);
      if (part && shown[name] !== html) part.innerHTML = html; // escaped by the server's templates
      shown[name] = html;
    }
  });
  source.addEventListener("said", (event) => { if (said) said.textContent = JSON.parse(event.data); });
  source.addEventListener("over", (event) => {
    source.close();
    const where = JSON.parse(event.data);
    if (where) location.assign(where);
    else location.reload();
  });
  addEventListener("pagehide", () => source.close());
}

// <body> of a page that waits for something to begin.
const waiting = document.querySelector("[data-again]");
if (waiting) {
  const again = setTimeout(() => location.reload(), Number(waiting.dataset.again));
  // A link or button that was pressed meanwhile is followed.
  addEventListener("beforeunload", () => clearTimeout(again));
}

// A list's filters apply as soon as one is chosen; the button stays for those who type.
for (const chosen of document.querySelectorAll("form[data-at-once] select")) {
  chosen.addEventListener("change", () => chosen.form.requestSubmit());
}

// The row of places scrolls on a narrow screen: the current one is in sight.
for (const row of document.querySelectorAll(".places, nav.tabs")) {
  const here = row.querySelector("[aria-current]");
  if (here) row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

// What belongs to a tab of the page of a run stands above all tabs where there is no script.
for (const part of document.querySelectorAll("[data-into]")) {
  if (typeof whenShown === "function") whenShown(part.dataset.into, (tab) => tab.querySelector(":scope > p")?.after(part));
}
