// What the graphs show: a sample for each second, made from the numbers of `/api/stats`.

import { bytes, bytesPerSecond, count, micros, percent, perSecond, plain } from "./format.js";

/** Seconds that are kept. */
const KEPT = 900;
/** How far from a sample its time may be asked for, in milliseconds. */
const NEAR = 2000;

/** What a counter grew by, per second; `null` as long as there is nothing to compare with. */
const rate = (counter, clock = ({ uptime_ms }) => uptime_ms) => (now, since) =>
  since && clock(now) > clock(since) ? ((counter(now) - counter(since)) * 1000) / (clock(now) - clock(since)) : null;

/** When the process was looked at: in the history that is later than when workers said how they stood. */
const measured = ({ process, uptime_ms }) => process.uptime_ms ?? uptime_ms;

const line = (name, title, kind, value) => ({ name, title, kind, value });

/** A line for each side. */
const sides = (preposition, value) => [
  line("clients", `${preposition}clients`, "client", value("client")),
  line("servers", `${preposition}servers`, "server", value("server")),
];

/** The graphs. Each line has its value now, given the stats of now, those of a second ago, and its value then. */
export const GRAPHS = [
  {
    name: "links",
    title: "Links",
    note: "open",
    format: count,
    least: 4,
    lines: sides("", (side) => (now) => now[side].links),
  },
  {
    name: "frames",
    title: "Frames",
    note: "received per second",
    format: perSecond,
    least: 10,
    lines: sides("from ", (side) => rate((stats) => stats[side].received_frames)),
  },
  {
    name: "bytes",
    title: "Bytes",
    note: "received per second",
    format: bytesPerSecond,
    binary: true,
    least: 1024,
    lines: sides("from ", (side) => rate((stats) => stats[side].received_bytes)),
  },
  {
    name: "connections",
    title: "Virtual connections",
    note: "",
    format: count,
    least: 4,
    lines: [line("open", "open", "first", (now) => now.connections.open)],
  },
  {
    name: "queue",
    title: "Queue depth",
    note: "bytes that wait to be sent",
    format: bytes,
    binary: true,
    least: 1024,
    lines: sides("to ", (side) => (now) => now[side].waiting_bytes),
  },
  {
    name: "paused",
    title: "Paused links",
    note: "not read: what they send to is full",
    format: count,
    least: 4,
    lines: sides("", (side) => (now) => now[side].held_up.paused_source.now + now[side].held_up.unread_answers.now),
  },
  {
    name: "round-trip",
    title: "Round trip",
    note: "average of a few links, last known",
    format: micros,
    least: 100,
    lines: sides("", (side) => (now, since, known) => average(now[side], since?.[side], known)),
  },
  {
    name: "cpu",
    title: "CPU",
    note: "100 % is one core",
    format: percent,
    least: 10,
    lines: [
      line("user", "user", "first", rate((stats) => stats.process.user_cpu_ms / 10, measured)),
      line("system", "system", "second", rate((stats) => stats.process.system_cpu_ms / 10, measured)),
      line("busiest", "busiest worker", "third", (now) => now.busiest_worker_permille / 10),
    ],
  },
  {
    name: "memory",
    title: "Memory",
    note: "allocated includes untouched",
    format: bytes,
    binary: true,
    least: 1 << 20,
    lines: [
      line("resident", "in RAM", "first", (now) => now.process.resident_bytes),
      line("allocated", "allocated", "second", (now) => now.allocator?.allocated_bytes),
    ],
  },
  {
    name: "churn",
    title: "Links opened and closed",
    note: "per second",
    format: perSecond,
    least: 4,
    lines: [
      line("opened", "opened", "first", rate(({ client, server }) => client.opened + server.opened)),
      line("closed", "closed", "second", rate(({ client, server }) => sum(client.closed) + sum(server.closed))),
    ],
  },
  {
    name: "refusals",
    title: "Refused",
    note: "per second",
    format: perSecond,
    least: 4,
    lines: [
      line("links", "links and sessions", "first", rate(({ refused, sessions }) => sum(refused.links) + sum(sessions.refused))),
      line("dials", "dials", "second", rate(({ refused }) => sum(refused.dials))),
    ],
  },
  {
    name: "descriptors",
    title: "Descriptors",
    note: "open files and sockets",
    detail: ({ process }) => (process.max_files === null ? "" : `of ${plain(count(process.max_files))}`),
    format: count,
    least: 16,
    lines: [line("open", "open", "first", (now) => now.process.open_files)],
  },
];

/** The seconds seen so far. */
export class Samples {
  /** `{ time, values }`; `values[graph][line]`, where `null` is what is not known. */
  all = [];
  #last = null;

  /** Adds what was before, as far as it is not known yet: names of fields, and rows of their values. */
  addHistory({ fields, rows }) {
    rows.map((row) => nested(fields, row)).forEach((stats) => this.#isNew(stats) && this.add(stats));
  }

  #isNew({ started_ms, uptime_ms }) {
    return this.#last?.started_ms !== started_ms || this.#last.uptime_ms < uptime_ms;
  }

  /** Adds what the gateway says now. */
  add(stats) {
    const last = this.#last;
    // Nothing can be compared with another gateway that had this address before.
    const since = last?.started_ms === stats.started_ms && last.uptime_ms < stats.uptime_ms ? last : null;
    this.#last = stats;
    const known = since && this.all.at(-1).values;
    const values = GRAPHS.map(({ lines }, graph) =>
      lines.map(({ value }, which) => value(stats, since, known?.[graph][which]) ?? null),
    );
    this.all.push({ time: stats.time_ms, values });
    if (this.all.length > KEPT) this.all.shift();
  }

  /** The time of the latest one. */
  get end() {
    return this.all.at(-1)?.time ?? 0;
  }

  /** The one at a time; `undefined`: there is none near it. */
  at(time) {
    const distance = (sample) => Math.abs(sample.time - time);
    const nearest = this.all.reduce((best, one) => (best && distance(best) < distance(one) ? best : one), undefined);
    return nearest && distance(nearest) < NEAR ? nearest : undefined;
  }
}

/** The object in which `a.b` of the fields is `b` of its `a`. */
function nested(fields, row) {
  const object = {};
  fields.forEach((field, index) => {
    const path = field.split(".");
    const name = path.pop();
    path.reduce((part, step) => (part[step] ??= {}), object)[name] = row[index];
  });
  return object;
}

/** The average round trip of a side; few links are sampled, so it may be some seconds old. */
function average(now, since, known) {
  const samples = since ? now.round_trips.count - since.round_trips.count : 0;
  if (samples > 0) return (now.round_trips.total_us - since.round_trips.total_us) / samples;
  return now.links > 0 ? known : null;
}

function sum(counts) {
  return Object.values(counts).reduce((total, one) => total + one, 0);
}
