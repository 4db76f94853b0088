// The stream of events. It is read by `fetch`, since an `EventSource` cannot send a token.

/** Longest wait before the next try, in milliseconds. */
const LONGEST = 15000;
/** After this time without an event nobody is there, in milliseconds: there is one each second. */
const SILENCE = 5000;

/** What went wrong, as the gateway says it. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Follows a stream of events for ever. `token()` says what proves who asks, if anything does.
 * `on` is told each `event(name, data)`, `lost(error, delay)` with the milliseconds to the next try, and `wanted()`,
 * when there is no use in another try without another token.
 */
export class Follower {
  #url;
  #token;
  #on;
  #fails = 0;
  #timer = 0;
  #running = null;

  constructor(url, token, on) {
    this.#url = url;
    this.#token = token;
    this.#on = on;
  }

  /** Tries at once, whatever was under way. */
  async start() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    const abort = new AbortController();
    this.#running = abort;
    const error = await this.#follow(abort).catch((error) => error);
    if (this.#running !== abort) return;
    if (error.status === 401) return this.#on.wanted();
    const delay = Math.min(LONGEST, 1000 * 2 ** this.#fails) * (0.8 + 0.4 * Math.random());
    this.#fails += 1;
    this.#timer = setTimeout(() => this.start(), delay);
    this.#on.lost(error, delay);
  }

  /** Reads the stream to its end, which is always an error. */
  async #follow(abort) {
    const silent = new Error("it does not answer");
    let watchdog = setTimeout(() => abort.abort(silent), SILENCE);
    try {
      const response = await fetch(this.#url, { headers: headersOf(this.#token()), cache: "no-store", signal: abort.signal });
      if (!response.ok) throw await refusal(response);
      for await (const { name, data } of eventsOf(response.body)) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(silent), SILENCE);
        if (name === "end") throw new Error(data.reason);
        this.#fails = 0;
        this.#on.event(name, data);
      }
    } catch (error) {
      // A browser's own words for a connection that cannot be made say nothing.
      throw error instanceof TypeError ? new Error("it cannot be reached") : error;
    } finally {
      clearTimeout(watchdog);
      abort.abort();
    }
    throw new Error("it ended the stream");
  }
}

/** What proves who asks, if anything does. */
export function headersOf(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Why the gateway did not do what it was asked. */
export async function refusal(response) {
  const said = await response.json().catch(() => ({}));
  return new Refused(response.status, said.error ?? `it answered with status ${response.status}`);
}

/** The events of a body, each with its name and the JSON that it carries. */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field("data");
      if (data !== undefined) yield { name: field("event"), data: JSON.parse(data) };
    }
  }
}
