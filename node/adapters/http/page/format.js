// Numbers as a person reads them: SI prefixes, one unit each, three digits where more say nothing.
// What is null or not a number is "–": a node tells null where it does not know.

export const NONE = "–";
const GAP = "\u202f"; // The narrow space that binds a number to its unit.

const known = (value) => typeof value === "number" && Number.isFinite(value);

const withDigits = new Map();

function digits(value, places) {
  if (!withDigits.has(places)) {
    const options = { minimumFractionDigits: places, maximumFractionDigits: places };
    withDigits.set(places, new Intl.NumberFormat("en", options));
  }
  return withDigits.get(places).format(value).replace("-", "−");
}

/** Three significant digits, and no more than that. */
function short(value) {
  const size = Math.abs(value);
  if (size === 0 || size >= 99.95) return digits(value, 0);
  return digits(value, size >= 9.995 ? 1 : 2);
}

function scaled(value, steps, unit) {
  const size = Math.abs(value);
  const [factor, prefix] = steps.find(([least]) => size >= least) ?? [1, ""];
  const text = size < 1_000 && factor === 1 && Number.isInteger(value) ? digits(value, 0) : short(value / factor);
  return prefix || unit ? `${text}${GAP}${prefix}${unit}` : text;
}

const LARGE = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** A count: exact up to 99,999, with a prefix beyond. */
export function count(value) {
  if (!known(value)) return NONE;
  return Math.abs(value) < 1e5 ? digits(value, 0) : scaled(value, LARGE, "");
}

/** Items per second. */
export function rate(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) >= 1e5) return scaled(value, LARGE, "/s");
  return `${digits(value, value > 0 && value < 9.95 ? 1 : 0)}${GAP}/s`;
}

/** A share of 1, as a percentage. */
export function share(value) {
  if (!known(value)) return NONE;
  const percent = value * 100;
  return `${digits(percent, Math.abs(percent) < 9.95 && percent !== 0 ? 1 : 0)}${GAP}%`;
}

/** Parts per million, as a percentage. */
export function partsPerMillion(value) {
  return known(value) ? `${short(value / 1e4)}${GAP}%` : NONE;
}

export function bytes(value) {
  return known(value) ? scaled(value, LARGE, "B") : NONE;
}

export function gas(value) {
  return known(value) ? `${scaled(value, LARGE, "")} gas` : NONE;
}

/** A duration in seconds, in the unit that suits its length. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds <= 0) return `0${GAP}s`;
  if (seconds < 1e-3) return `${short(seconds * 1e6)}${GAP}µs`;
  if (seconds < 1) return `${short(seconds * 1e3)}${GAP}ms`;
  if (seconds < 60) return `${Number.isInteger(seconds) ? digits(seconds, 0) : short(seconds)}${GAP}s`;
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3_600) % 24, Math.floor(whole / 60) % 60];
  const parts = [[days, "d"], [hours, "h"], [minutes, "min"], [whole % 60, "s"]];
  const first = parts.findIndex(([amount]) => amount > 0);
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${count(amount)}${GAP}${unit}`).join(" ");
}

export const milliseconds = (value) => duration(known(value) ? value / 1e3 : null);

export const microseconds = (value) => duration(known(value) ? value / 1e6 : null);

/** A number of times. */
export function times(value) {
  return known(value) ? `×${GAP}${short(value)}` : NONE;
}

/** Time of day of a Unix time in milliseconds, in the reader's own zone. */
export function timeOfDay(ms) {
  return known(ms) && ms > 0 ? new Date(ms).toLocaleTimeString([], { hourCycle: "h23" }) : NONE;
}

/** Day and time; a prediction may be of another day. */
export function moment(ms) {
  if (!known(ms) || ms <= 0) return NONE;
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(ms).toLocaleString([], options);
}

/** A name of the protocol as words: "l1_bytes" is "L1 bytes", "GateClosed" is "gate closed". */
export function words(name) {
  const spaced = String(name).replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return spaced.replace(/\b(l1|id|ids)\b/g, (word) => word.toUpperCase());
}
