// The model: a module of WebAssembly that asks nothing of its host. Rows in, answers and events out.
export async function load(module = "model.wasm", about = "model.json") {
  const [bytes, facts] = await Promise.all([
    fetch(module).then((found) => found.arrayBuffer()),
    fetch(about).then((found) => found.json()),
  ]);
  return new Model((await WebAssembly.instantiate(bytes)).instance.exports, facts);
}

export class Model {
  constructor(wasm, about) {
    this.wasm = wasm;
    this.about = about;
    if (wasm._initialize) wasm._initialize();
    this.reset();
  }

  reset() {
    if (this.wasm.start) this.wasm.start();
    this.row = -1;
  }

  #floats(at, count) {
    return new Float32Array(this.wasm.memory.buffer, at, count);
  }

  // Answer one sample: numbers in the order of the model, NaN for a missing one.
  predict(values) {
    this.#floats(this.wasm.input(), this.wasm.inputs()).set(values);
    const flags = this.wasm.predict() >>> 0;
    const given = Array.from(this.#floats(this.wasm.output(), this.wasm.outputs()));
    return { flags, given, label: this.wasm.label(), confidence: this.wasm.confidence() };
  }

  // Take the next row of a stream; an event, or null.
  push(values) {
    const { wasm } = this;
    this.row += 1;
    this.#floats(wasm.sample(), this.about.columns.length).set(values);
    if (!wasm.push()) return null;
    const event = { kind: wasm.event_kind(), row: wasm.event_row() >>> 0, flags: wasm.event_flags() >>> 0 };
    return { ...event, value: wasm.event_value(), label: wasm.event_label ? wasm.event_label() : -1 };
  }

  // What the stream's mean of the last windows says: probabilities by label; empty for a number.
  means() {
    return this.wasm.means ? Array.from(this.#floats(this.wasm.means(), this.about.labels.length)) : [];
  }

  // Of the last window of the stream: it has no answer where it is flagged.
  flags() {
    return this.wasm.flags ? this.wasm.flags() >>> 0 : 0;
  }

  gap(rows) {
    if (this.wasm.gap) this.wasm.gap(rows);
  }
}
