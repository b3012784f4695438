// Asks every chosen model the same question through the chat API and shows the answers side by side as they come.
"use strict";

const find = (id) => document.getElementById(id);
const columns = new Map(); // by model: its column, and the conversation so far
let asking = null;

function say(text) { find("status").textContent = text; }

function made(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function list() {
  find("address").textContent = `${location.origin}/v1`;
  let told;
  try { told = await (await fetch("/v1/models")).json(); } catch { say("The server does not answer."); return; }
  told.data.forEach((model, number) => {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = "model";
    box.value = model.id;
    box.checked = number < 4;
    const label = document.createElement("label");
    label.append(box, made("span", `${model.id}: ${model.edgewright.title}`));
    const item = document.createElement("li");
    item.append(label);
    find("models").append(item);
  });
}

// One column a model, made at its first question.
function columnOf(model) {
  if (columns.has(model)) return columns.get(model);
  const section = made("section", "", "panel"), heading = made("h2", model);
  heading.id = `column-${columns.size}`;
  section.setAttribute("aria-labelledby", heading.id);
  section.append(heading);
  find("answers").append(section);
  const column = { section, messages: [] };
  columns.set(model, column);
  return column;
}

// The events of a stream, as objects, until the last.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const data = rest.slice(0, end).replace(/^data: /, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function ask(model, question, signal) {
  const column = columnOf(model), began = performance.now();
  const turn = made("article", "", "turn"), said = made("p", "", "said"), took = made("p", "", "took");
  turn.append(made("p", question, "asked"), said, took);
  column.section.append(turn);
  const messages = [...column.messages, { role: "user", content: question }];
  let first = 0;
  try {
    const order = { model, messages, stream: true, temperature: 0 };
    const response = await fetch("/v1/chat/completions", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order), signal,
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      const text = event.choices[0]?.delta.content ?? "";
      if (text && !first) first = performance.now() - began;
      said.textContent += text;
    }
    column.messages = [...messages, { role: "assistant", content: said.textContent }];
    took.textContent = `first word after ${first.toFixed(0)} ms, all after ${(performance.now() - began).toFixed(0)} ms`;
  } catch (error) {
    took.textContent = error.name === "AbortError" ? "Stopped." : error.message;
    took.classList.toggle("error", error.name !== "AbortError");
  }
}

find("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const models = [...document.querySelectorAll("[name=model]:checked")].map((box) => box.value);
  const question = find("question").value.trim();
  if (asking || !question) return;
  if (!models.length) { say("Choose at least one model."); return; }
  asking = new AbortController();
  find("send").disabled = true;
  find("stop").hidden = false;
  say("Waiting for answers.");
  await Promise.all(models.map((model) => ask(model, question, asking.signal)));
  say(`${models.length} ${models.length === 1 ? "answer" : "answers"}.`);
  asking = null;
  find("send").disabled = false;
  find("stop").hidden = true;
});

find("stop").addEventListener("click", () => asking?.abort());
find("clear").addEventListener("click", () => {
  asking?.abort();
  columns.clear();
  find("answers").replaceChildren();
  say("");
  find("question").focus();
});
find("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("ask").requestSubmit();
});

list();
