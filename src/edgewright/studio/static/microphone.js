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

// A WAV file of one channel, 16 bits a sample.
function wav(pieces, rate) {
  const count = pieces.reduce((sum, piece) => sum + piece.length, 0), bytes = new DataView(new ArrayBuffer(44 + 2 * count));
  const word = (at, text) => [...text].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF"); bytes.setUint32(4, 36 + 2 * count, true); word(8, "WAVEfmt "); bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true); bytes.setUint32(24, rate, true); bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true); word(36, "data"); bytes.setUint32(40, 2 * count, true);
  let at = 44;
  for (const piece of pieces) for (const value of piece) { bytes.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true); at += 2; }
  return bytes.buffer;
}

for (const button of document.querySelectorAll("[data-record]")) {
  const RATE = 16000, LONGEST = 60, field = document.getElementById(button.dataset.record), word = button.textContent;
  const say = (text) => { document.getElementById(`${field.id}-heard`).textContent = text; };
  let stop = null, pieces = [];
  const end = () => {
    stop(); stop = null; button.textContent = word;
    const carried = new DataTransfer();
    carried.items.add(new File([wav(pieces, RATE)], "recording.wav", { type: "audio/wav" }));
    field.files = carried.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  button.hidden = !navigator.mediaDevices;
  button.addEventListener("click", async () => {
    if (stop) { end(); return; }
    pieces = [];
    try {
      stop = await microphone(RATE, (piece) => {
        pieces.push(piece);
        const seconds = pieces.length * piece.length / RATE;
        say(`${seconds.toFixed(1)} s heard`);
        if (stop && seconds >= LONGEST) end();
      });
      button.textContent = "Stop";
    } catch (error) { say(`The browser gives no microphone: ${error.message}`); }
  });
}
