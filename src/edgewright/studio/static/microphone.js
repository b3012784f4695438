// The microphone as samples at a rate, and recordings for a file field: `<button data-record="ID of the field">`.
"use strict";

// Gives samples to `take` until the function that it returns is called.
async function microphone(rate, take) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext({ sampleRate: rate });
  await context.audioWorklet.addModule("/static/microphone_worklet.js");
  const samples = new AudioWorkletNode(context, "samples");
  samples.port.onmessage = (event) => take(event.data);
  context.createMediaStreamSource(stream).connect(samples);
  return () => { for (const track of stream.getTracks()) track.stop(); context.close(); };
}

// Samples of 16 bits, the low byte first, behind `head` bytes.
function pcm(pieces, head = 0) {
  const bytes = new DataView(new ArrayBuffer(head + 2 * pieces.reduce((sum, piece) => sum + piece.length, 0)));
  let at = head;
  for (const piece of pieces) for (const value of piece) { bytes.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true); at += 2; }
  return bytes;
}

// A WAV file of one channel, 16 bits a sample.
function wav(pieces, rate) {
  const bytes = pcm(pieces, 44), size = bytes.byteLength - 44;
  const word = (at, text) => [...text].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF"); bytes.setUint32(4, 36 + size, true); word(8, "WAVEfmt "); bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true); bytes.setUint32(24, rate, true); bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true); word(36, "data"); bytes.setUint32(40, size, true);
  return bytes.buffer;
}

for (const button of document.querySelectorAll("[data-record]")) {
  const RATE = 16000, LONGEST = 60, PART = 16, field = document.getElementById(button.dataset.record), word = button.textContent;
  const say = (text) => { document.getElementById(`${field.id}-heard`).textContent = text; };
  let stop = null, pieces = [], name = "", sent = 0, sending = false, trouble = "", resumed = false;
  const length = (some) => some.reduce((sum, piece) => sum + piece.length, 0);
  // What was heard since the last part goes to the studio, which keeps it when this page is left.
  const address = () => `/recording/${name}?${new URLSearchParams({ at: 2 * length(pieces.slice(0, sent)), back: location.pathname + location.search })}`;
  const heard = () => say(`${(length(pieces) / RATE).toFixed(1)} s heard${trouble}`);
  const post = async () => {
    if (sending) return;
    sending = true;
    try {
      while (pieces.length - sent >= (stop ? PART : 1)) {
        const recorded = pieces, count = pieces.length, answer = await fetch(address(), { method: "POST", body: pcm(pieces.slice(sent)).buffer });
        const sentence = answer.ok ? "" : `. Not kept by the studio: ${await answer.text()}`;
        if (recorded !== pieces) continue;
        trouble = sentence;
        if (sentence) break;
        sent = Math.max(sent, count);
      }
    } catch { trouble = ". The studio does not answer: this recording is only on this page."; }
    sending = false;
    if (trouble) heard();
  };
  // A browser sends 64 KiB of a page that is left.
  const leave = () => { if (pieces.length > sent) navigator.sendBeacon(address(), pcm(pieces.slice(sent, sent + 31)).buffer); };
  const forget = () => { if (name) navigator.sendBeacon(`/recording/${name}/end`, new URLSearchParams({ do: "delete" })); };
  const fill = () => {
    const carried = new DataTransfer();
    carried.items.add(new File([wav(pieces, RATE)], "recording.wav", { type: "audio/wav" }));
    field.files = carried.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    used.value = name;
  };
  const end = () => { stop(); stop = null; button.textContent = word; post(); fill(); };
  const resume = async () => {
    const known = /^#recording=([0-9a-f-]+)$/.exec(location.hash)?.[1];
    if (!known || stop) return;
    const answer = await fetch(`/recording/${known}`);
    if (!answer.ok) return;
    pieces = [Float32Array.from(new Int16Array((await answer.arrayBuffer()).slice(44)), (value) => value / 32767)];
    name = known; sent = 1; trouble = ""; resumed = true;
    fill();
    say(`${(length(pieces) / RATE).toFixed(1)} s heard; ${word} goes on.`);
    document.getElementById(`recording-${known}`)?.remove();
    history.replaceState(null, "", location.pathname + location.search);
  };
  button.hidden = !navigator.mediaDevices;
  button.addEventListener("click", async () => {
    if (stop) { end(); return; }
    if (!resumed) { forget(); pieces = []; sent = 0; trouble = ""; name = Array.from(crypto.getRandomValues(new Uint8Array(16)), (value) => value.toString(16).padStart(2, "0")).join(""); }
    resumed = false;
    try {
      stop = await microphone(RATE, (piece) => {
        pieces.push(piece);
        heard();
        if (pieces.length % PART === 0) post();
        if (stop && length(pieces) >= LONGEST * RATE) end();
      });
      button.textContent = "Stop";
    } catch (error) { say(`The browser gives no microphone: ${error.message}`); }
  });
  addEventListener("pagehide", leave);
  addEventListener("hashchange", resume);
  // The studio deletes its parts once it has used the form's file, and keeps them all where it refuses the form.
  const used = Object.assign(document.createElement("input"), { type: "hidden", name: "recording" });
  field.form.append(used);
  field.addEventListener("change", () => { used.value = ""; });
  field.form.addEventListener("submit", () => { if (stop) end(); leave(); sent = pieces.length; });
  resume();
}
