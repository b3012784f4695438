// Rows of motion sensors, of a CSV file or of one that grows, sent to the studio as the windows of the package, and its answers.
"use strict";

const live = document.getElementById("live-test");
if (live) {
  const samples = Number(live.dataset.samples), step = Number(live.dataset.step), rate = Number(live.dataset.rate);
  const find = (name) => document.getElementById(`live-${name}`);
  const say = (text) => { find("state").textContent = text; };
  const LISTED = 500, PIECE = 4096;
  const counted = (count) => `${count} answer${count === 1 ? "" : "s"}`;
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  let stream = null;

  // A stream: rows that wait, the first of them by its number, and how many answers came.
  function open(header, place) {
    stream = { header, place, rows: [], first: 0, answers: 0, busy: false, over: false };
    find("answers").replaceChildren();
    find("answer").textContent = "No answer yet";
    find("confidence").textContent = "";
    find("rate").hidden = true;
    return stream;
  }

  function show(answer, place) {
    const said = answer.missing ? "no answer, too many values are missing" : answer.label ?? String(Number(answer.prediction.toPrecision(6)));
    const sure = answer.confidence === undefined ? "" : `${(100 * answer.confidence).toFixed(1)} %${answer.unsure ? ", unsure" : ""}`;
    find("answer").textContent = said;
    find("confidence").textContent = sure;
    const row = document.createElement("tr");
    row.dataset.answer = JSON.stringify(answer);
    [place, said, sure || "-", (answer.out_of_range ?? []).join(", ")].forEach((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (!i) cell.scope = "row";
      if (i === 2) cell.className = "num";
      cell.textContent = text;
      row.append(cell);
    });
    find("answers").prepend(row);
    if (find("answers").rows.length > LISTED) find("answers").lastChild.remove();
  }

  // Send the rows of all whole windows; rows that a later window needs stay.
  async function push(mine) {
    if (mine.busy) return;
    mine.busy = true;
    while (mine === stream && mine.rows.length >= samples) {
      const windows = Math.min(1 + Math.floor((mine.rows.length - samples) / step), Math.max(1, Math.floor(PIECE / step)));
      const text = [mine.header, ...mine.rows.slice(0, samples + (windows - 1) * step), ""].join("\n");
      let told;
      try {
        const response = await fetch(location.pathname, { method: "POST", body: new URLSearchParams({ rows: text }) });
        told = await response.json();
      } catch { told = { problem: "The studio does not answer." }; }
      if (mine !== stream) return;
      if (told.problem) { stream = null; say(`Stopped after row ${mine.first}: ${told.problem}`); stopped(); return; }
      told.answers.forEach((answer, i) => show(answer, mine.place(mine.first + i * step)));
      mine.answers += told.answers.length;
      mine.rows.splice(0, windows * step);
      mine.first += windows * step;
      say(counted(mine.answers));
    }
    mine.busy = false;
    if (mine === stream && mine.over) say(mine.answers ? `${counted(mine.answers)}, the end of the rows.` : `Fewer rows than one window of ${samples}.`);
  }

  let quiet = () => {};
  function stopped() {
    quiet();
    quiet = () => {};
    removeEventListener("devicemotion", moved);
    for (const one of live.querySelectorAll("[data-stop]")) one.hidden = true;
  }

  // A file that grows: its new lines are asked for twice a second, until another stream begins.
  find("follow").addEventListener("submit", async (event) => {
    event.preventDefault();
    stopped();
    const path = find("path").value.trim().split("/").map(encodeURIComponent).join("/");
    const mine = open("", (i) => `row ${i + 1}`);
    event.target.querySelector("[data-stop]").hidden = false;
    say("Waiting for rows.");
    for (let next = 0; mine === stream; await new Promise((done) => setTimeout(done, 500))) {
      let told;
      try { told = await (await fetch(`/live-rows/${path}?from=${next}`)).json(); } catch { told = { problem: "The studio has no such file." }; }
      if (mine !== stream) return;
      if (told.problem) { stream = null; say(told.problem); stopped(); return; }
      next = told.next;
      const lines = told.text.split(/\r?\n/).filter((text) => text.trim());
      if (!mine.header) mine.header = lines.shift() ?? "";
      mine.rows.push(...lines);
      push(mine);
    }
  });

  // The microphone: samples at the rate of the model.
  find("microphone")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    stopped();
    const mine = open(quoted(event.target.closest("[data-columns]").dataset.columns), (i) => `${(i / rate).toFixed(2)} s`);
    event.target.querySelector("[data-stop]").hidden = false;
    say("Listening.");
    try {
      quiet = await microphone(rate, (piece) => { if (mine === stream) { for (const value of piece) mine.rows.push(String(value)); push(mine); } });
    } catch (error) { stream = null; stopped(); say(`The browser gives no microphone: ${error.message}`); }
  });

  // One row: its fields are asked for again as soon as one changes.
  const row = find("row");
  if (row) {
    let count = 0;
    const cells = [...row.querySelectorAll("input, select")];
    const ask = () => {
      const mine = open(cells.map((cell) => quoted(row.querySelector(`label[for=${cell.id}]`).firstChild.textContent.trim())).join(","), () => `row ${++count}`);
      mine.rows = [cells.map((cell) => quoted(cell.value.trim())).join(",")];
      push(mine);
    };
    row.addEventListener("input", ask);
    row.addEventListener("submit", (event) => event.preventDefault());
    ask();
  }

  // CSV: lines as they are; the studio parses them. Empty lines hold no row.
  find("csv").addEventListener("submit", async (event) => {
    event.preventDefault();
    stopped();
    const file = find("file").files[0];
    const lines = (file ? await file.text() : find("rows").value).split(/\r?\n/).map((text, i) => [text, i + 1]).filter(([text]) => text.trim());
    if (lines.length < 2) { say("Expected a header line and rows."); return; }
    const numbers = lines.slice(1).map(([, number]) => number);
    const mine = open(lines[0][0], live.dataset.unit === "row" ? (i) => `line ${numbers[i]}` : (i) => `row ${i + 1}`);
    mine.rows = lines.slice(1).map(([text]) => text);
    mine.over = true;
    push(mine);
  });

  // Sensors: every event is a row of the chosen values.
  const sensors = find("sensors"), chosen = [...sensors?.querySelectorAll("select") ?? []];
  const GUESSES = [[/gyr|rot/i, "rotationRate."], [/lin/i, "acceleration."], [/acc|^a?[xyz]$/i, "accelerationIncludingGravity."]];
  for (const one of chosen) {
    const axis = /([xyz])[^a-z]*$/i.exec(one.dataset.column)?.[1].toLowerCase();
    const part = GUESSES.find(([known]) => known.test(one.dataset.column))?.[1];
    if (axis && part) one.value = part + (part === "rotationRate." ? { x: "beta", y: "gamma", z: "alpha" }[axis] : axis);
    const factor = one.closest(".field").querySelector("[data-factor]"), unit = one.dataset.unit;
    if (one.value) factor.value = Number((unit === "g" ? 1 / 9.80665 : unit === "mg" ? 1000 / 9.80665 : unit === "rad/s" ? Math.PI / 180 : 1).toPrecision(7));
  }
  const why = !isSecureContext ? "This browser gives no motion here: the page is not from localhost or https." : !("DeviceMotionEvent" in window) ? "This browser has no motion sensors." : "";
  if (why && sensors) find("support").textContent = why;

  let reads = [];
  function moved(event) {
    const mine = stream;
    if (!mine) return;
    const values = reads.map(([part, axis, factor]) => (part ? event[part]?.[axis] ?? null : null) === null ? "" : String(event[part][axis] * factor));
    if (values.every((text) => text === "")) { say("The browser sends events without the chosen values: this device may have no such sensor."); return; }
    mine.rows.push(values.join(","));
    const real = event.interval ? 1000 / event.interval : 0;
    if (!rate) { find("rate").textContent = "The package does not know its sampling rate: whether this one fits is not known."; find("rate").hidden = false; }
    else if (real && Math.abs(real / rate - 1) > 0.05) {
      find("rate").textContent = `This device gives ${Number(real.toPrecision(3))} samples a second, the model learned from ${rate}: windows last ${Number((rate / real).toPrecision(2))} times as long as in training, and answers may be wrong.`;
      find("rate").hidden = false;
    }
    push(mine);
  }
  sensors?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (why) { say(why); return; }
    if (DeviceMotionEvent.requestPermission && await DeviceMotionEvent.requestPermission() !== "granted") { say("The browser refused motion sensors."); return; }
    reads = chosen.map((one) => [...(one.value ? one.value.split(".") : ["", ""]), Number(one.closest(".field").querySelector("[data-factor]").value)]);
    if (!reads.some(([part]) => part)) { say("Choose a sensor for a column first."); return; }
    if (reads.some(([, , factor]) => !Number.isFinite(factor))) { say("Expected numbers with a point as factors."); return; }
    const mine = open(chosen.map((one) => quoted(one.dataset.column)).join(","), (i) => `row ${i + 1}`);
    say("Waiting for the first window.");
    addEventListener("devicemotion", moved);
    sensors.querySelector("[data-stop]").hidden = false;
    setTimeout(() => { if (mine === stream && !mine.first && !mine.rows.length && !mine.answers) say("No motion events in 3 s: this device has no motion sensor, or the browser blocks it."); }, 3000);
  });
  for (const one of live.querySelectorAll("[data-stop]")) one.addEventListener("click", () => { stopped(); stream = null; say("Stopped."); });
}
