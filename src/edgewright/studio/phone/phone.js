// Records the motion sensors with a label, and sends what they gave every second: the studio keeps it when this page is left.
import { motion } from "./sensors.js";

const at = (id) => document.getElementById(id);
const AXES = ["x", "y", "z"];
const READ = [...AXES.map((a) => ["acceleration", a, "g"]), ...AXES.map((a) => ["rotation", a, "rad"])];
const COLUMNS = [...AXES.map((a) => `acc_${a}`), ...AXES.map((a) => `gyro_${a}`)];
const COUNTDOWN = 3;
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
  const name = Array.from(crypto.getRandomValues(new Uint8Array(16)), (value) => value.toString(16).padStart(2, "0")).join("");
  const about = recording(rate);
  let sent = 0;
  let sending = null;
  let refused = null;
  const part = (end) => JSON.stringify({ ...about, at: sent, rows: whole(rows.slice(sent, end)) });
  const send = async () => {
    const end = Math.min(rows.length, seconds * rate);
    if (end > sent) await post(name, part(end));
    sent = end;
  };
  // A part that does not arrive is sent again with the next; what the studio refuses ends the recording.
  const failed = (error) => { if (!(error instanceof TypeError)) refused = error; };
  const parts = setInterval(() => { sending ??= send().catch(failed).finally(() => (sending = null)); }, 1000);
  // A browser sends 64 KiB of a page that is left.
  const leave = () => { if (!lost && rows.length > sent) navigator.sendBeacon(`/recordings/${name}`, part(Math.min(sent + 300, seconds * rate))); };
  addEventListener("pagehide", leave);
  const started = performance.now();
  while (open && !(refused && !sent) && rows.length < seconds * rate) {
    say(`Recording: ${rows.length} rows, ${Math.floor((performance.now() - started) / 1000)} s`);
    if (performance.now() - started > 3000 && !rows.length) break;
    await Promise.race([wait(200), stopped]);
  }
  stop();
  clearInterval(parts);
  removeEventListener("pagehide", leave);
  await sending;
  if (refused && !sent) throw refused;
  if (!rows.length) throw new Error("No readings arrived. Does this device have motion sensors?");
  if (lost) {
    if (sent) await post(name, "", "delete");
    throw new Error("The sensors paused while they recorded. Keep the screen on and record again.");
  }
  await finish(about, name, send);
}

function recording(rate) {
  const about = { label: at("label").value.trim(), person: at("person").value.trim() };
  return { ...about, session: new Date().toISOString().slice(0, 19).replace("T", " "), rate, columns: COLUMNS };
}

const whole = (rows) => rows.map((row) => row.map((value) => (Number.isFinite(value) ? value : null)));

async function post(name, body, end = "") {
  const answer = await fetch(`/recordings/${name}${end && `?end=${end}`}`, { method: "POST", body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.text();
}

// Until the studio has the whole of it, the last part and the end are sent again.
async function finish(about, name, send) {
  say("Sending…");
  for (;;) {
    try {
      await send();
      keptLine(`${about.label}, ${about.person}`, await post(name, "", "keep"));
      return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      say("The studio does not answer. This recording is sent as soon as it does: leave this page open.", true);
      await wait(2000);
    }
  }
}

function keptLine(title, text) {
  const line = document.createElement("li");
  line.textContent = `${title}: ${text}`;
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
    say(error.message, true);
  } finally {
    ending = null;
    at("start").textContent = "Start";
  }
});

// A page out of the back/forward cache would go on with a gap: it is loaded anew, and offers what was recorded.
addEventListener("pageshow", (event) => event.persisted && ending && location.reload());

for (const button of at("left").querySelectorAll("button")) {
  const line = button.closest("li");
  button.addEventListener("click", async () => {
    try {
      const text = await post(line.dataset.name, "", button.dataset.end);
      if (text) keptLine(line.dataset.title, text);
      line.remove();
    } catch (error) { say(error.message, true); }
  });
}
