// The motion sensors of the device as rows at the rate of the model.
const G = 9.80665;
const DEGREES = Math.PI / 180;
// Of a motion event: column's quantity and axis -> number in SI units, by the standard's axes of the device.
const READ = {
  acceleration: (event, axis) => (event.accelerationIncludingGravity ?? {})[axis],
  rotation: (event, axis) => (event.rotationRate ?? {})[{ x: "alpha", y: "beta", z: "gamma" }[axis]],
};

// Browsers of Apple give accelerations with the other sign.
const flipped = navigator.vendor.startsWith("Apple");

function reading(event, [quantity, axis, unit]) {
  const value = READ[quantity](event, axis);
  if (value === null || value === undefined) return NaN;
  if (quantity === "acceleration") return ((flipped ? -1 : 1) * value) / (unit === "g" ? G : 1);
  return unit === "rad" ? value * DEGREES : value;
}

// A row at every step of a fixed rate, each between the two readings around it. Long gaps are told, not filled.
export class Grid {
  constructor(rate, onRow, onGap) {
    Object.assign(this, { step: 1000 / rate, onRow, onGap, last: null, next: 0 });
  }

  add(time, values) {
    if (!this.last || time - this.last.time > 20 * this.step) {
      if (this.last) this.onGap(Math.round((time - this.next) / this.step));
      this.next = time;
    }
    for (; this.next <= time; this.next += this.step) {
      const before = this.last && this.last.time < time ? this.last : { time, values };
      const share = time === before.time ? 1 : (this.next - before.time) / (time - before.time);
      this.onRow(values.map((value, i) => before.values[i] + share * (value - before.values[i])), this.next);
    }
    this.last = { time, values };
  }
}

// Start motion; gives a function that ends it. Throws where there is no sensor or no permission.
export async function motion(columns, rate, onRow, onGap = () => {}) {
  if (typeof DeviceMotionEvent === "undefined") throw new Error("This browser has no motion sensors.");
  const ask = DeviceMotionEvent.requestPermission?.bind(DeviceMotionEvent);
  if (ask && (await ask()) !== "granted") {
    throw new Error("The browser did not allow the motion sensors.");
  }
  const grid = new Grid(rate, onRow, onGap);
  const hear = (event) => grid.add(event.timeStamp, columns.map((column) => reading(event, column)));
  addEventListener("devicemotion", hear);
  return () => removeEventListener("devicemotion", hear);
}
