// The microphone as rows at the rate of the model, whatever rate the device has. Firefox connects a microphone to an
// AudioContext of the device's rate only, so the page resamples: the same filter in every browser.

// A low pass by Kaiser's window: 80 dB from half the lower rate on, flat below 0.9 of it.
const CROSSINGS = 50, BETA = 7.86, PASS = 0.95;

function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; k < 40; k += 1) sum += term *= (x / 2 / k) ** 2;
  return sum;
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

function clip(value) {
  return Math.max(-1, Math.min(1, value));
}

export class Resampler {
  constructor(from, to) {
    const common = divisor(Math.round(from), Math.round(to));
    const share = Math.min(1, to / from);
    const half = Math.ceil(CROSSINGS / share);
    // Instant of the next sample in parts of `up` of a step of what comes in; filters by that part.
    Object.assign(this, { up: Math.round(to) / common, down: Math.round(from) / common, cut: PASS * share, half });
    Object.assign(this, { filters: [], kept: new Float32Array(half), at: half * (Math.round(to) / common) });
  }

  #filter(part) {
    const { half, cut, up } = this;
    const taps = Float64Array.from({ length: 2 * half }, (_, i) => {
      const t = i + 1 - half - part / up;
      const angle = Math.PI * cut * t;
      return (angle ? Math.sin(angle) / angle : 1) * bessel(BETA * Math.sqrt(Math.max(0, 1 - (t / half) ** 2)));
    });
    const sum = taps.reduce((total, tap) => total + tap);
    return taps.map((tap) => tap / sum);
  }

  // Take the next samples; return those at the other rate that they complete, within full scale as in a file.
  add(samples) {
    const { up, down, half } = this;
    if (up === down) return samples.map(clip);
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const made = [];
    for (; Math.floor(this.at / up) + half < all.length; this.at += down) {
      const taps = (this.filters[this.at % up] ??= this.#filter(this.at % up));
      const first = Math.floor(this.at / up) + 1 - half;
      let sum = 0;
      for (let i = 0; i < taps.length; i += 1) sum += taps[i] * all[first + i];
      made.push(clip(sum));
    }
    const done = Math.min(all.length, Math.floor(this.at / up) + 1 - half);
    this.kept = all.slice(done);
    this.at -= done * up;
    return made;
  }
}

// Start the microphone; samples from -1 to 1, one a row. Gives a function that ends it.
export async function microphone(rate, onRow) {
  if (!navigator.mediaDevices) throw new Error("This browser gives the microphone to HTTPS and localhost only.");
  const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...sound } });
  const context = new AudioContext();
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    return context.close();
  };
  try {
    await context.audioWorklet.addModule("samples.js");
    const node = new AudioWorkletNode(context, "samples");
    const resampler = new Resampler(context.sampleRate, rate);
    node.port.onmessage = ({ data }) => resampler.add(data).forEach((value) => onRow([value]));
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
