// Tables of links: servers, the busiest ones, those that are held up.

import { element } from "./dom.js";
import { bytes, bytesPerSecond, count, lasting, micros, perSecond, plain } from "./format.js";

const worded = (name) => name.replaceAll("_", " ");
const rated = (field, format) => ({ rates }) => (rates ? plain(format(rates[field])) : "–");

/** Links of a table that a phone shows (`page.css`). */
const ON_A_PHONE = 5;

/** What is told of a link; of what is `minor` a phone shows nothing. */
const LINK = { name: "link", title: "link", text: ({ link }) => String(link), side: true };
const SERVER = { name: "server", title: "server", text: ({ server }) => String(server), side: true };
const WHO = { name: "who", title: "side", text: ({ side, server }) => (side === "server" ? `server ${server}` : side), words: true };
const COMMON = [
  { name: "peer", title: "peer", text: ({ peer }) => peer, words: true },
  // One column: a window 1280 wide has no room for two.
  { name: "by", title: "by", text: ({ protocol, transport }) => `${protocol}/${transport}`, words: true, minor: true },
  { name: "conns", title: "conns", text: ({ conns }) => plain(count(conns)), minor: true },
  { name: "frames-in", title: "frames in", text: rated("received_frames_per_second", perSecond), minor: true },
  { name: "bytes-in", title: "bytes in", text: rated("received_bytes_per_second", bytesPerSecond) },
  { name: "frames-out", title: "frames out", text: rated("sent_frames_per_second", perSecond), minor: true },
  { name: "bytes-out", title: "bytes out", text: rated("sent_bytes_per_second", bytesPerSecond) },
  { name: "waiting", title: "waiting", text: ({ waiting_bytes }) => plain(bytes(waiting_bytes)) },
  { name: "round-trip", title: "round trip", text: ({ round_trip_us }) => (round_trip_us === null ? "–" : plain(micros(round_trip_us))), minor: true },
  { name: "age", title: "age", text: ({ age_ms }) => lasting(age_ms).text, minor: true },
  { name: "state", title: "state", text: state, words: true, warning: true },
  { name: "kick", title: "", text: () => "Kick", action: true },
];

/** What holds a link up, and for how long it has. */
function state({ state, held_up, paused_by_link, paused_by_worker, paused_by_memory }) {
  const by = paused_by_link !== null ? ` by link ${paused_by_link}` : paused_by_worker !== null ? ` by worker ${paused_by_worker}` : paused_by_memory ? " for memory" : "";
  const reasons = Object.entries(held_up).map(([reason, millis]) => `${worded(reason)} ${plain(micros(millis * 1000))}`);
  return reasons.length > 0 ? reasons.join(", ") + by : state;
}

/** For how long a link has been held up, in milliseconds. */
function held({ held_up }) {
  return Math.max(0, ...Object.values(held_up));
}

/** Who has a link, in a sentence. */
function who({ side, server, peer, conns }) {
  return `${side === "server" ? `Server ${server}` : "Client"} ${peer}, ${conns} ${conns === 1 ? "connection" : "connections"}.`;
}

/** A table of links; `read(tables)` has them, and `kick({ link, who })` asks whether to close one. */
class Listing {
  #columns;
  #kick;
  #read;
  #body = element("tbody");
  #nothing;
  #scroll;
  #more = element("p", { class: "more" });
  card;

  constructor({ name, title, note, nothing, columns, read }, kick) {
    this.#kick = kick;
    this.#columns = columns;
    this.#read = read;
    const labelled = { "aria-labelledby": `listing-${name}` };
    const heading = element("h2", { id: `listing-${name}` }, title, element("small", {}, note));
    const head = columns.map((column) => element("th", { scope: "col", ...look(column) }, column.title));
    const table = element("table", labelled, element("thead", {}, element("tr", {}, ...head)), this.#body);
    this.#nothing = element("p", { class: "nothing" }, nothing);
    this.#scroll = element("div", { class: "scroll", tabindex: "0", role: "region", ...labelled }, table);
    this.card = element("section", { class: "card listing", id: name, ...labelled }, heading, this.#scroll, this.#more, this.#nothing);
    this.update(null);
  }

  update(tables) {
    const links = tables ? this.#read(tables) : [];
    this.#scroll.hidden = links.length === 0;
    this.#nothing.hidden = links.length > 0;
    this.#more.hidden = links.length <= ON_A_PHONE;
    this.#more.textContent = `${links.length - ON_A_PHONE} more are shown on a wider screen.`;
    // Rows stay where they are, so that what somebody points at or selects does not vanish each second.
    while (this.#body.rows.length > links.length) this.#body.deleteRow(-1);
    links.forEach((link, index) => this.#fill(this.#body.rows[index] ?? this.#add(), link));
  }

  #add() {
    const row = element("tr", {}, ...this.#columns.map((column) => element("td", look(column))));
    const button = element("button", { type: "button", class: "small" }, "Kick");
    button.addEventListener("click", () => this.#kick({ link: Number(row.dataset.link), who: row.dataset.who }));
    row.lastChild.append(button);
    this.#body.append(row);
    return row;
  }

  #fill(row, link) {
    row.dataset.link = link.link;
    row.dataset.who = who(link);
    this.#columns.forEach((column, index) => {
      const cell = row.cells[index];
      const text = column.text(link);
      if (cell.textContent !== text) cell.textContent = text;
      if (column.side) cell.className = `side ${link.side}`;
      if (column.warning) cell.classList.toggle("warning", Object.keys(link.held_up).length > 0);
    });
  }
}

function look({ name, title, words, minor }) {
  const classes = [words && "words", minor && "minor"].filter(Boolean).join(" ");
  return { "data-name": name, "data-title": title, class: classes };
}

/** All tables. */
export function listings(kick) {
  return LISTINGS.map((listing) => new Listing(listing, kick));
}

const LISTINGS = [
  {
    name: "servers",
    title: "Servers",
    note: "100 at most; /api/servers has all",
    nothing: "No game server is registered.",
    columns: [SERVER, { ...LINK, side: false }, ...COMMON],
    read: ({ servers }) => [...servers].sort((one, other) => held(other) - held(one)),
  },
  {
    name: "slowest",
    title: "Slowest links",
    note: "held up for a second or more",
    nothing: "No link is held up.",
    columns: [LINK, WHO, ...COMMON],
    read: ({ slowest }) => slowest,
  },
  {
    name: "busiest",
    title: "Busiest links",
    note: "the most bytes in the last second",
    nothing: "There are no links.",
    columns: [LINK, WHO, ...COMMON],
    read: ({ busiest }) => busiest,
  },
];
