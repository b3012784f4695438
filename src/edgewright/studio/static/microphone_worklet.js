// Samples of the first channel, in pieces that a page can follow.
"use strict";

const PIECE = 1024;
class Samples extends AudioWorkletProcessor {
  constructor() { super(); this.piece = new Float32Array(PIECE); this.count = 0; }
  process([input]) {
    for (const value of input[0] ?? []) {
      this.piece[this.count++] = value;
      if (this.count === PIECE) { this.port.postMessage(this.piece.slice()); this.count = 0; }
    }
    return true;
  }
}
registerProcessor("samples", Samples);
