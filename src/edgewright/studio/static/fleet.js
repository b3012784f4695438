// A rollout under way is read again every few seconds, while the page is seen and nobody has opened a part of it.
"use strict";

const fresh = document.querySelector("[data-fresh]");

async function refresh() {
  if (document.hidden || fresh.querySelector("details[open]")) return Number(fresh.dataset.fresh);
  const answer = await fetch(location.href);
  if (!answer.ok) return 10;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("[data-fresh]");
  if (!next) return 0;
  // Whoever stands on a link of this part keeps the focus: the part is replaced, and the same link found again.
  const here = fresh.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  fresh.innerHTML = next.innerHTML; // escaped by the server's templates
  if (here) fresh.querySelector(`a[href="${CSS.escape(here)}"]`)?.focus({ preventScroll: true });
  fresh.dataset.fresh = next.dataset.fresh;
  return Number(fresh.dataset.fresh);
}

function later(seconds) {
  if (seconds) setTimeout(() => refresh().catch(() => 10).then(later), 1000 * seconds);
}

if (fresh) later(Number(fresh.dataset.fresh));
