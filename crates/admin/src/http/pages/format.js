// Numbers as people read them, each as a text and its unit.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["", "k", "M", "G", "T"];

/** All digits of a count. */
export function count(value) {
  return { text: WHOLE.format(value), unit: "" };
}

/** A count that may be very large. */
export function amount(value) {
  return value < 1e6 ? count(value) : scaled(value, 1000, DECIMAL);
}

/** Frames or links per second. */
export function perSecond(value) {
  const { text, unit } = scaled(value, 1000, DECIMAL);
  return { text, unit: `${unit}/s` };
}

/** Bytes, in powers of 1024. */
export function bytes(value) {
  return scaled(value, 1024, BINARY);
}

/** Bytes per second. */
export function bytesPerSecond(value) {
  const { text, unit } = bytes(value);
  return { text, unit: `${unit}/s` };
}

/** CPU time per time, where 100 % is one core. */
export function percent(value) {
  return { text: value.toFixed(value < 10 ? 1 : 0), unit: "%" };
}

/** A short time, given in microseconds. */
export function micros(value) {
  if (value < 1000) return { text: WHOLE.format(value), unit: "µs" };
  if (value < 1e6) return { text: significant(value / 1e3), unit: "ms" };
  return { text: significant(value / 1e6), unit: "s" };
}

/** A long time, given in milliseconds: its two largest units. */
export function lasting(value) {
  const seconds = Math.floor(value / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = Math.max(0, Math.min(parts.findIndex(([amount]) => amount > 0), parts.length - 2));
  const shown = value < 60000 ? parts.slice(-1) : parts.slice(first, first + 2);
  return { text: shown.map(([amount, unit]) => `${amount} ${unit}`).join(" "), unit: "" };
}

/** A number and its unit in one. */
export function plain({ text, unit }) {
  return unit && unit !== "%" && !unit.startsWith("/") ? `${text} ${unit}` : text + unit;
}

function scaled(value, base, units) {
  let step = 0;
  let rest = value;
  while (rest >= base && step < units.length - 1) {
    rest /= base;
    step += 1;
  }
  return { text: step === 0 ? WHOLE.format(rest) : significant(rest), unit: units[step] };
}

function significant(value) {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
