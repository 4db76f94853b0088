// The live page: follows `/api/events` and shows what comes.

import { countCards } from "./counts.js";
import { element, number, show } from "./dom.js";
import { lasting } from "./format.js";
import { Graph } from "./graph.js";
import { Kick } from "./kick.js";
import { GRAPHS, Samples } from "./samples.js";
import { Follower } from "./stream.js";
import { listings } from "./tables.js";
import { TokenForm, takeFromAddress, takeNextReading, token } from "./token.js";
import { TroubleList } from "./trouble.js";
import { Workers } from "./workers.js";

const place = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

const samples = new Samples();
const graphs = GRAPHS.map((spec, index) => new Graph(spec, index));
const columns = countCards();
const counts = columns.flat();
const kick = new Kick(token);
const tables = listings((what) => kick.ask(what));
const troubles = new TroubleList((what) => kick.ask(what));
const workers = new Workers();
const uptime = number("uptime");
const form = new TokenForm(() => follower.start());
const follower = new Follower("api/events", token, { event: onEvent, lost: onLost, wanted: onWanted });

/** What is shown: the latest stats, trouble and tables, how many milliseconds of them, and where in these somebody points (0 to 1). */
const view = { stats: null, trouble: null, tables: null, span: 300000, pointed: null, drawing: false };

function start() {
  place("charts").append(...graphs.map(({ card }) => card));
  const stacks = columns.map((cards) => element("div", { class: "stack" }, ...cards.map(({ card }) => card)));
  place("counts").append(...stacks);
  const [servers, slowest, busiest] = tables.map(({ card }) => card);
  place("first-tables").append(servers, slowest);
  place("tables").append(workers.card, busiest);
  graphs.forEach(({ plot }) => followPointer(plot));
  place("window").addEventListener("change", ({ target }) => {
    view.span = Number(target.value) * 1000;
    draw();
  });
  place("notice").querySelector("button").addEventListener("click", () => follower.start());
  addEventListener("hashchange", () => takeFromAddress() && follower.start());
  takeFromAddress();
  draw();
  follower.start();
}

function onEvent(name, data) {
  form.close();
  place("charts").parentElement.hidden = false;
  if (name === "history") {
    samples.addHistory(data);
  } else if (name === "stats") {
    samples.add(data);
    view.stats = data;
    connected();
  } else if (name === "trouble") {
    troubles.update(data.trouble);
    connected();
  } else if (name === "tables") {
    view.tables = data;
  }
  draw();
}

function connected() {
  const { state, drain, fresh } = view.stats;
  setConnection("live", word(state, drain));
  notify(fresh ? "" : "A worker does not answer: its numbers are as of its last sweep, and the tables are older.", false);
}

/** The gateway in a word or two. */
function word(state, drain) {
  if (state === "draining") return drain.phase === "drained" ? "Drained" : `Draining: ${drain.clients} clients`;
  return state === "running" ? (troubles.word ?? "Live") : "Stopping";
}

function onLost(error, delay) {
  const seconds = Math.max(1, Math.round(delay / 1000));
  const stood = samples.all.length > 0 ? ` Below is how things stood at ${clock.format(samples.end)}.` : "";
  setConnection("lost", "Not connected");
  notify(`Not connected to the gateway: ${error.message}. The next try is in ${seconds} s.${stood}`, true);
}

function onWanted() {
  if (takeNextReading()) return void follower.start();
  setConnection("lost", "Token needed");
  notify("", false);
  place("charts").parentElement.hidden = true;
  form.ask();
}

/** The badge, and the title of the tab: how the connection is, and then how the gateway is. */
function setConnection(state, text) {
  const shown = place("connection");
  const name = `${view.stats?.name ?? "fastway"} ${location.host}`;
  document.body.dataset.state = state;
  document.title = text === "Live" ? name : `${text} – ${name}`;
  shown.dataset.state = state;
  shown.dataset.severity = state === "live" ? troubles.severity : "";
  if (shown.textContent !== text) shown.textContent = text;
}

function notify(text, mayRetry) {
  const notice = place("notice");
  notice.hidden = text === "";
  notice.querySelector("button").hidden = !mayRetry;
  const shown = notice.querySelector("p");
  if (shown.textContent !== text) shown.textContent = text;
}

/** Shows everything before the next frame, however often it is called until then. */
function draw() {
  if (view.drawing) return;
  view.drawing = true;
  requestAnimationFrame(() => {
    view.drawing = false;
    const time = view.pointed === null ? null : samples.end - view.span * (1 - view.pointed);
    graphs.forEach((graph) => graph.draw(samples, view.span, time));
    showTime(time);
    if (view.stats) {
      showGateway(view.stats);
      graphs.forEach((graph) => graph.describe(view.stats));
      counts.forEach((card) => card.update(view.stats));
      workers.update(view.stats);
    }
    tables.forEach((table) => table.update(view.tables));
  });
}

function showTime(time) {
  const ago = time === null ? "" : `, ${Math.round((samples.end - time) / 1000)} s before`;
  const text = samples.all.length === 0 ? "Waiting for the first numbers" : clock.format(time ?? samples.end) + ago;
  place("when").replaceChildren(element("data", { id: "time", value: time ?? samples.end }, text));
}

function showGateway({ name, host, version, pid, workers, uptime_ms }) {
  const about = place("about");
  const title = host ? `${name} on ${host}` : name;
  if (place("gateway").textContent !== title) place("gateway").textContent = title;
  if (!about.contains(uptime)) {
    about.append(element("span"), uptime);
  }
  const text = `fastway ${version} · ${location.host} · pid ${pid} · ${workers} ${workers === 1 ? "worker" : "workers"} · up `;
  if (about.firstChild.textContent !== text) about.firstChild.textContent = text;
  show(uptime, uptime_ms, lasting);
}

/** Has all graphs show the values where somebody points, by hand or by keys. */
function followPointer(plot) {
  const point = (fraction) => {
    view.pointed = fraction === null ? null : Math.min(1, Math.max(0, fraction));
    draw();
  };
  const follow = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    point((event.clientX - left) / width);
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("pointercancel", () => point(null));
  plot.addEventListener("blur", () => point(null));
  plot.addEventListener("keydown", (event) => {
    const step = 1000 / view.span;
    const now = view.pointed ?? 1;
    const to = { ArrowLeft: now - step, ArrowRight: now + step, PageUp: now + 10 * step, PageDown: now - 10 * step, Home: 0, End: 1 };
    if (event.key !== "Escape" && !(event.key in to)) return;
    event.preventDefault();
    point(event.key === "Escape" ? null : to[event.key]);
  });
}

start();
