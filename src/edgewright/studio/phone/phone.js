// Records the motion sensors with a label, and sends each recording when it is whole.
import { motion } from "./sensors.js";

const at = (id) => document.getElementById(id);
const AXES = ["x", "y", "z"];
const READ = [...AXES.map((a) => ["acceleration", a, "g"]), ...AXES.map((a) => ["rotation", a, "rad"])];
const COLUMNS = [...AXES.map((a) => `acc_${a}`), ...AXES.map((a) => `gyro_${a}`)];
const COUNTDOWN = 3;
// What was recorded when this page was left stays on the phone until it is kept or deleted.
const LEFT = "left";
let ending = null;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").className = bad ? "error" : "";
}

async function record() {
  const rate = Number(at("rate").value);
  const seconds = Number(at("seconds").value) || Infinity;
  let rows = [];
  let going = false;
  let lost = 0;
  const stop = await motion(READ, rate, (values) => going && rows.push(values), () => (lost += 1));
  const stopped = new Promise((done) => (ending = done));
  at("start").textContent = "Stop";
  let open = true;
  stopped.then(() => (open = false));
  for (let left = COUNTDOWN; left > 0 && open; left -= 1) {
    say(`Starts in ${left} s…`);
    await Promise.race([wait(1000), stopped]);
  }
  going = true;
  lost = 0;
  const leave = () => {
    if (lost || !rows.length) return;
    try { localStorage.setItem(LEFT, JSON.stringify(recording(rate, rows.slice(0, seconds * rate)))); } catch { /* More than a phone keeps of a page. */ }
  };
  addEventListener("pagehide", leave);
  const started = performance.now();
  while (open && rows.length < seconds * rate) {
    say(`Recording: ${rows.length} rows, ${Math.floor((performance.now() - started) / 1000)} s`);
    if (performance.now() - started > 3000 && !rows.length) break;
    await Promise.race([wait(200), stopped]);
  }
  stop();
  removeEventListener("pagehide", leave);
  rows = rows.slice(0, seconds * rate);
  if (!rows.length) throw new Error("No readings arrived. Does this device have motion sensors?");
  if (lost) throw new Error("The sensors paused while they recorded. Keep the screen on and record again.");
  await send(recording(rate, rows));
}

function recording(rate, rows) {
  const about = { label: at("label").value.trim(), person: at("person").value.trim() };
  const session = new Date().toISOString().slice(0, 19).replace("T", " ");
  const kept = rows.map((row) => row.map((value) => (Number.isFinite(value) ? value : null)));
  return { ...about, session, rate, columns: COLUMNS, rows: kept };
}

async function send(about) {
  say("Sending…");
  const body = JSON.stringify(about);
  const answer = await fetch("/recordings", { method: "POST", body, headers: { "content-type": "application/json" } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  const line = document.createElement("li");
  line.textContent = `${about.label}, ${about.person}: ${text}`;
  at("kept").prepend(line);
  say("Kept. Ready for the next one.");
}

at("record").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (ending) {
    ending();
    return;
  }
  try {
    await record();
  } catch (error) {
    say(error.message === "Failed to fetch" ? "The studio did not answer; nothing was kept." : error.message, true);
  } finally {
    ending = null;
    at("start").textContent = "Start";
  }
});

// A page out of the back/forward cache would go on with a gap: it is loaded anew, and offers what was recorded.
addEventListener("pageshow", (event) => event.persisted && ending && location.reload());

const left = JSON.parse(localStorage.getItem(LEFT));
if (left) {
  at("left").hidden = false;
  at("left-words").textContent = `${left.label}, ${left.person}: ${(left.rows.length / left.rate).toFixed(1)} s were recorded when you left this page.`;
  const done = () => { localStorage.removeItem(LEFT); at("left").hidden = true; };
  at("left-delete").addEventListener("click", done);
  at("left-keep").addEventListener("click", () => send(left).then(done, (error) => say(error.message, true)));
}
