// Works offline after the first visit: every file of this version is kept, older versions go.
const VERSION = "@VERSION@";
const FILES = @FILES@;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(VERSION).then((kept) => kept.addAll(FILES)).then(() => skipWaiting()));
});
addEventListener("activate", (event) => {
  const mine = (name) => name.startsWith(VERSION.split(" ")[0]) && name !== VERSION;
  const old = caches.keys().then((names) => Promise.all(names.filter(mine).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => clients.claim()));
});
addEventListener("fetch", (event) => {
  const found = caches.match(event.request, { ignoreSearch: true });
  if (event.request.method === "GET") event.respondWith(found.then((kept) => kept ?? fetch(event.request)));
});
