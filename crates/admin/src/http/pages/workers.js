// How busy each worker is.

import { element, number, show } from "./dom.js";
import { bytes, count, percent } from "./format.js";

const COLUMNS = [
  ["busy", "CPU", ({ busy_permille }) => busy_permille / 10, percent],
  ["links", "links", ({ links }) => links, count],
  ["connections", "conns", ({ connections }) => connections, count],
  ["waiting", "waiting", ({ waiting_bytes }) => waiting_bytes, bytes],
];

/** A row with a bar for each worker. */
export class Workers {
  #body = element("tbody");
  #rows = [];
  card;

  constructor() {
    const labelled = { "aria-labelledby": "workers-title" };
    const titles = COLUMNS.map(([, title]) => element("th", { scope: "col" }, title));
    const head = element("tr", {}, element("th", { scope: "col" }, "worker"), element("td"), ...titles);
    const heading = element("h2", { id: "workers-title" }, "Workers", element("small", {}, "share of a core"));
    const table = element("table", { class: "counts", ...labelled }, element("thead", {}, head), this.#body);
    const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", ...labelled }, table);
    this.card = element("section", { class: "card", id: "workers", ...labelled }, heading, scroll);
  }

  update({ load }) {
    load.forEach((worker, index) => {
      const { bar, places } = (this.#rows[index] ??= this.#add(index));
      bar.style.width = `${worker.busy_permille / 10}%`;
      COLUMNS.forEach(([, , value, format], column) => show(places[column], value(worker), format));
    });
  }

  #add(index) {
    const bar = element("i", { class: "second" });
    const places = COLUMNS.map(([name]) => number(`workers.${name}.${index}`));
    const share = element("td", { class: "share", "aria-hidden": "true" }, element("div", {}, bar));
    const cells = places.map((place) => element("td", {}, place));
    this.#body.append(element("tr", {}, element("th", { scope: "row" }, String(index)), share, ...cells));
    return { bar, places };
  }
}
