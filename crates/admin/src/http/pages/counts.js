// What was counted by reason, for each side: a table with bars.

import { element, number, show } from "./dom.js";
import { amount, bytes } from "./format.js";

const SIDES = ["client", "server"].map((kind) => ({ name: kind, title: `${kind}s`, kind }));
const ALL = [{ name: "all", title: "times", kind: "first" }];

/** A card of counts in columns; `read(stats)` has them as `{ reason: [a count for each column] }`. */
class NamedCounts {
  #name;
  #columns;
  #read;
  #rows = new Map();
  #body = element("tbody");
  #fold = element("button", { type: "button", class: "fold", "aria-expanded": "false" });
  card;

  constructor(name, title, note, columns, read) {
    this.#name = name;
    this.#columns = columns;
    this.#read = read;
    const head = element("tr", {}, element("th", { scope: "col" }, "reason"), element("td"), ...columns.map(columnHead));
    this.card = card(name, title, note, head, this.#body);
    this.card.append(this.#fold);
    this.#fold.addEventListener("click", () => {
      const open = this.card.toggleAttribute("data-all");
      this.#fold.setAttribute("aria-expanded", String(open));
    });
  }

  update(stats) {
    const counts = Object.entries(this.#read(stats));
    const zero = counts.filter(([, values]) => sum(values) === 0).length;
    const text = zero === counts.length ? `Nothing; all ${zero} reasons` : `${zero} more reasons: 0`;
    this.#fold.hidden = zero === 0;
    if (this.#fold.textContent !== text) this.#fold.textContent = text;
    this.card.classList.toggle("nothing-yet", zero === counts.length);
    const most = Math.max(1, ...counts.map(([, values]) => sum(values)));
    for (const [reason, values] of counts) {
      const { row, bars, numbers } = this.#row(reason);
      row.classList.toggle("none", sum(values) === 0);
      values.forEach((value, column) => {
        show(numbers[column], value, amount);
        bars[column].style.width = `${(value / most) * 100}%`;
      });
    }
  }

  #row(reason) {
    const known = this.#rows.get(reason);
    if (known) return known;
    const bars = this.#columns.map(({ kind }) => element("i", { class: kind }));
    const numbers = this.#columns.map(({ name }) => number(`${this.#name}.${reason}.${name}`));
    const cells = numbers.map((place) => element("td", {}, place));
    const share = element("td", { class: "share", "aria-hidden": "true" }, element("div", {}, ...bars));
    const title = element("th", { scope: "row" }, reason.replaceAll("_", " "));
    const made = { row: element("tr", {}, title, share, ...cells), bars, numbers };
    this.#body.append(made.row);
    this.#rows.set(reason, made);
    return made;
  }
}

/** A card of totals, each in its own unit. */
class Totals {
  #body = element("tbody");
  #rows = [
    ["frames received", "received_frames", amount],
    ["frames sent", "sent_frames", amount],
    ["bytes received", "received_bytes", bytes],
    ["bytes sent", "sent_bytes", bytes],
    ["links opened", "opened", amount],
    ["packets that wait now", "waiting_packets", amount],
    ["bytes received in part", "partial_bytes", bytes],
    ["memory held for links", "held_bytes", bytes],
  ].map((row) => this.#row(...row));
  card;

  constructor() {
    const head = element("tr", {}, element("th", { scope: "col" }, "what"), ...SIDES.map(columnHead));
    this.card = card("totals", "Totals", "since the start", head, this.#body);
  }

  #row(title, field, format) {
    const places = SIDES.map(({ name }) => number(`totals.${field}.${name}`));
    const cells = places.map((place) => element("td", {}, place));
    this.#body.append(element("tr", {}, element("th", { scope: "row" }, title), ...cells));
    return { field, format, places };
  }

  update(stats) {
    for (const { field, format, places } of this.#rows) {
      places.forEach((place, side) => show(place, stats[SIDES[side].name][field], format));
    }
  }
}

/** All cards of counts, in columns of about the same height. */
export function countCards() {
  return [
    [
      new NamedCounts("closed", "Closes by reason", "since the start", SIDES, (stats) => bySide(stats, (side) => side.closed)),
      new Totals(),
    ],
    [
      new NamedCounts("refused", "Refused by reason", "since the start", ALL, refusals),
      new NamedCounts("held-up", "Held up by reason", "links, now", SIDES, (stats) =>
        bySide(stats, (side) => mapped(side.held_up, ({ now }) => now)),
      ),
    ],
    [new NamedCounts("sessions", "Sessions refused by reason", "since the start", ALL, sessionRefusals)],
  ];
}

function columnHead({ title, kind }) {
  return element("th", { scope: "col", class: kind }, title);
}

function card(name, title, note, head, body) {
  const heading = element("h2", { id: `counts-${name}` }, title, element("small", {}, note));
  const table = element("table", { class: "counts", "aria-labelledby": `counts-${name}` }, element("thead", {}, head), body);
  return element("section", { class: "card", "aria-labelledby": `counts-${name}` }, heading, table);
}

function refusals({ refused, handshakes, accept_errors }) {
  return {
    ...named("dial: ", refused.dials),
    ...named("link: ", refused.links),
    ...named("proxy: ", refused.proxy),
    ...named("handshake: ", handshakes.failed),
    ...named("accept: ", { errors: accept_errors }),
  };
}

function sessionRefusals({ sessions }) {
  return { ...named("", sessions.refused), ...named("handshake: ", sessions.handshakes.failed) };
}

/** NamedCounts that no side has, by their names behind what they are of. */
function named(prefix, counts) {
  return mapped(counts, (count) => [count], (name) => prefix + name);
}

/** What both sides have, by its name. */
function bySide(stats, read) {
  const [clients, servers] = SIDES.map(({ name }) => read(stats[name]));
  return mapped(clients, (value, name) => [value, servers[name]]);
}

function mapped(object, value, name = (key) => key) {
  return Object.fromEntries(Object.entries(object).map(([key, one]) => [name(key), value(one, key)]));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
