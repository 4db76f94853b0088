// A graph: a card with the values of its lines, and the lines over time.

import { drawing, element, number, show } from "./dom.js";
import { plain } from "./format.js";

/** Units of a drawing, which is stretched to its place. */
const WIDTH = 1000;
const HEIGHT = 100;
/** Milliseconds without a sample that break a line. */
const GAP = 3500;

export class Graph {
  #spec;
  #index;
  #values;
  #lines;
  #area;
  #cursor;
  #most = element("span");
  #half = element("span");
  #start = element("span");
  #empty = element("p", { class: "empty" }, "waiting for the first two seconds");
  #note;
  plot;
  card;

  constructor(spec, index) {
    this.#spec = spec;
    this.#index = index;
    this.#note = element("small", {}, spec.note);
    const title = element("h2", { id: `graph-${spec.name}` }, spec.title, this.#note);
    this.#values = spec.lines.map((line) => number(`${spec.name}.${line.name}`));
    const legend = element("dl", { class: `legend of-${spec.lines.length}` });
    spec.lines.forEach((line, which) => {
      legend.append(element("dt", { class: line.kind }, line.title), element("dd", {}, this.#values[which]));
    });
    this.plot = this.#plot();
    const scale = element("div", { class: "scale", "aria-hidden": "true" }, this.#most, this.#half, element("span", {}, "0"));
    const axis = element("div", { class: "axis", "aria-hidden": "true" }, this.#start, element("span", {}, "now"));
    const figure = element("div", { class: "figure" }, scale, this.plot, axis);
    this.card = element("section", { class: "card", "aria-labelledby": `graph-${spec.name}` }, title, legend, figure);
  }

  #plot() {
    const rule = (y) => drawing("line", { class: "rule", x1: 0, x2: WIDTH, y1: y, y2: y });
    this.#area = drawing("path", { class: `area ${this.#spec.lines[0].kind}` });
    this.#lines = this.#spec.lines.map((line, which) => drawing("path", { class: `${line.kind}${["", " second-line", " third-line"][which]}` }));
    this.#cursor = drawing("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
    const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    const svg = drawing("svg", frame, rule(0), rule(HEIGHT / 2), rule(HEIGHT), this.#area, ...this.#lines, this.#cursor);
    const reader = { role: "slider", tabindex: "0", "aria-label": `${this.#spec.title} over time`, "aria-valuemin": "0" };
    return element("div", { class: "plot", ...reader }, svg, this.#empty);
  }

  /** Says what the numbers of now are measured against. */
  describe(stats) {
    const detail = this.#spec.detail?.(stats);
    const text = detail ? `${this.#spec.note}, ${detail}` : this.#spec.note;
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }

  /** Draws the last `span` milliseconds of samples, and the values at a time, or the latest for `null`. */
  draw(samples, span, time) {
    const from = samples.end - span;
    const shown = samples.all.filter((sample) => sample.time >= from);
    const values = shown.map((sample) => sample.values[this.#index]);
    const most = roundUp(Math.max(this.#spec.least, ...values.flat()), this.#spec.binary);
    const x = (sample) => (((sample.time - from) / span) * WIDTH).toFixed(1);
    const y = (value) => (HEIGHT - (value / most) * HEIGHT).toFixed(1);
    this.#lines.forEach((line, which) => line.setAttribute("d", path(runs(shown, this.#index, which), x, y)));
    this.#area.setAttribute("d", area(runs(shown, this.#index, 0), x, y));
    this.#empty.hidden = shown.length > 1;
    this.#most.textContent = this.#mark(most);
    this.#half.textContent = this.#mark(most / 2);
    this.#start.textContent = `−${Math.round(span / 60000)} min`;
    this.#point(samples, span, time);
  }

  /** A round number. */
  #mark(value) {
    const { text, unit } = this.#spec.format(value);
    return plain({ text: text.replace(/\.0+$/, ""), unit });
  }

  #point(samples, span, time) {
    const at = time ?? samples.end;
    const sample = samples.at(at);
    const from = samples.end - span;
    this.#values.forEach((place, which) => show(place, sample?.values[this.#index][which] ?? null, this.#spec.format));
    this.#cursor.setAttribute("visibility", time === null ? "hidden" : "visible");
    const x = ((at - from) / span) * WIDTH;
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
    this.plot.setAttribute("aria-valuemax", span / 1000);
    // What is said aloud changes when somebody moves, not each second.
    if (time === null && this.plot.hasAttribute("aria-valuenow")) return;
    this.plot.setAttribute("aria-valuenow", Math.round((at - from) / 1000));
    this.plot.setAttribute("aria-valuetext", this.#spoken(samples.end - at, sample));
  }

  #spoken(ago, sample) {
    const words = this.#spec.lines.map((line, which) => {
      const value = sample?.values[this.#index][which] ?? null;
      return `${line.title} ${value === null ? "unknown" : plain(this.#spec.format(value))}`;
    });
    return `${Math.round(ago / 1000)} s ago: ${words.join(", ")}`;
  }
}

/** The parts of a line that nothing interrupts, as pairs of a sample and its value. */
function runs(samples, graph, which) {
  const all = [[]];
  let before = null;
  for (const sample of samples) {
    const value = sample.values[graph][which];
    if (value === null || (before && sample.time - before.time > GAP)) all.push([]);
    if (value !== null) all.at(-1).push([sample, value]);
    before = sample;
  }
  return all.filter((run) => run.length > 0);
}

function path(runs, x, y) {
  return runs.map((run) => `M${run.map(([sample, value]) => `${x(sample)} ${y(value)}`).join("L")}`).join("");
}

function area(runs, x, y) {
  const closed = (run) => `V${HEIGHT}H${x(run[0][0])}Z`;
  return runs.map((run) => path([run], x, y) + closed(run)).join("");
}

/** The next number that is good to read, and of which the half is, too: so the scale does not move with each value. */
function roundUp(value, binary) {
  if (binary) return 2 ** Math.ceil(Math.log2(value));
  const base = 10 ** Math.floor(Math.log10(value));
  return base * [1, 2, 4, 6, 8, 10].find((step) => step * base >= value);
}
