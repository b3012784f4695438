import { load } from "./model.js";
import { motion } from "./sensors.js";

const at = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;
const ALARM = 2, DECISION = 1, NONE = 4, OUT_OF_RANGE = 1, UNSURE = 8;
let model, stop = null, drawing = 0;

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").className = bad ? "error" : "";
}

function wrong(flags) {
  if (flags & NONE) return "too many values are missing";
  return flags & OUT_OF_RANGE ? "a value is outside its declared range" : "";
}

// The answer for one window or row.
function show({ label, given, confidence, flags }) {
  const { labels } = model.about;
  const none = flags & NONE;
  at("label").textContent = none ? "no answer" : label >= 0 && labels.length ? labels[label] : given[0]?.toPrecision(6);
  const words = [labels.length && !none ? `confidence ${percent(confidence)}` : "", flags & UNSURE && !none ? "unsure" : ""];
  at("sure").textContent = [...words, wrong(flags)].filter(Boolean).join(", ");
  bars(labels.length ? given : []);
}

function bars(shares) {
  shares.forEach((share, i) => {
    const [, meter, text] = at("classes").children[i].children;
    meter.value = share;
    text.textContent = percent(share);
  });
}

function tell(event, row) {
  const line = document.createElement("li");
  const { labels } = model.about;
  const what = labels.length ? `${labels[event.label]}, confidence ${percent(event.value)}` : event.value.toPrecision(6);
  line.textContent = `${event.kind === ALARM ? "Alarm: " : ""}${what} (row ${event.row + 1})`;
  if (event.kind === ALARM) line.className = "alarm";
  at("events").prepend(line);
  while (at("events").children.length > 50) at("events").lastChild.remove();
}

// One row of the stream: what the model says of it is shown once it has a window.
function take(values) {
  const event = model.push(values);
  if (event) tell(event);
  if (event && !model.about.labels.length) at("label").textContent = event.value.toPrecision(6);
  // Once a picture of the screen: rows of sound come thousands a second.
  if (!drawing) drawing = requestAnimationFrame(draw);
  return event;
}

function draw() {
  drawing = 0;
  const means = model.means();
  const sure = Math.max(...means);
  const bad = wrong(model.flags());
  if (bad) {
    bars(means.map(() => 0));
    at("label").textContent = "no answer";
    at("sure").textContent = bad;
  } else if (means.length && sure > 0) {
    bars(means);
    at("label").textContent = model.about.labels[means.indexOf(sure)];
    at("sure").textContent = `confidence ${percent(sure)}`;
  }
}

// Rows of CSV text in the order of the model's columns; throws for a column that is absent or a text.
function parse(text) {
  const lines = text.trim().split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => cell.trim()));
  // A sample of several axes has no names: its numbers stand in the order of the model.
  const bare = !model.about.columns.length;
  const names = bare ? Array.from({ length: model.wasm.inputs() }, (_, i) => `${i}`) : model.about.columns.map((c) => c.name);
  const head = bare ? names : lines.shift();
  const places = names.map((name) => head.indexOf(name));
  const lacking = names.filter((_, i) => places[i] < 0);
  if (lacking.length) throw new Error(`The header lacks the column ${lacking[0]}.`);
  return lines.map((cells, row) => places.map((place, i) => {
    const cell = cells[place] ?? "";
    const value = cell === "" || /^nan$/i.test(cell) ? NaN : Number(cell);
    if (Number.isNaN(value) && cell !== "" && !/^nan$/i.test(cell)) {
      throw new Error(`Row ${row + 1}, column ${names[i]}: expected a number, got '${cell}'.`);
    }
    return value;
  }));
}

function attempt(work) {
  return async (event) => {
    event.preventDefault();
    try {
      await work();
    } catch (error) {
      say(error.message, true);
    }
  };
}

async function toggle() {
  const { sensor, rate, motion: columns } = model.about;
  if (stop) {
    await stop();
    stop = null;
    at("sensor").textContent = "Start";
    say("Stopped.");
    return;
  }
  model.reset();
  say("Waiting for the sensors…");
  let rows = 0;
  const row = (values) => {
    rows += 1;
    if (rows === 1) say(sensor === "motion" ? "Motion sensors are on." : "The microphone is on.");
    dispatchEvent(new CustomEvent("edgewright-row", { detail: { values, event: take(values) } }));
  };
  if (sensor === "motion") stop = await motion(columns, rate, row, (lost) => model.gap(lost));
  else stop = await (await import("./microphone.js")).microphone(rate, row);
  at("sensor").textContent = "Stop";
  setTimeout(() => rows === 0 && stop && say("No readings arrive. Does this device have the sensors?", true), 3000);
}

function build() {
  const { labels, columns, sensor, rows } = model.about;
  for (const label of labels) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = label;
    const meter = document.createElement("meter");
    meter.setAttribute("aria-label", label);
    line.append(name, meter, document.createElement("span"));
    at("classes").append(line);
  }
  at("sensor").hidden = !sensor;
  at("values").hidden = !rows;
  at("paste").open = !sensor && !rows;
  for (const column of rows ? columns : []) {
    const label = document.createElement("label");
    label.textContent = column.unit ? `${column.name} (${column.unit})` : column.name;
    const input = document.createElement("input");
    Object.assign(input, { type: "number", step: "any", name: column.name });
    if (column.minimum !== null) input.placeholder = `from ${column.minimum}`;
    label.append(input);
    at("fields").append(label);
  }
}

at("sensor").addEventListener("click", attempt(toggle));
at("values").addEventListener("submit", attempt(() => {
  show(model.predict([...at("fields").querySelectorAll("input")].map((input) => (input.value === "" ? NaN : +input.value))));
}));
at("rows").addEventListener("submit", attempt(() => {
  const rows = parse(at("csv").value);
  if (!model.about.stream) {
    rows.forEach((row) => show(model.predict(row)));
    say(`${rows.length} rows.`);
    return;
  }
  model.reset();
  const events = rows.map(take).filter(Boolean);
  const alarms = events.filter((event) => event.kind === ALARM).length;
  say(`${rows.length} rows, ${events.filter((event) => event.kind === DECISION).length} decisions, ${alarms} alarms.`);
}));

try {
  model = await load();
  build();
  say("Ready. Everything stays on this device.");
  // Under a certificate that the browser does not know it works, too, but not offline.
  await navigator.serviceWorker?.register("worker.js").catch(() => {});
} catch (error) {
  say(`The model cannot run here: ${error.message}`, true);
}
