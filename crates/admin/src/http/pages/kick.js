// Closing a link, once somebody has confirmed it.

import { headersOf, refusal } from "./stream.js";

const place = (id) => document.getElementById(id);
/** For how long it is said that a link was kicked, in milliseconds. */
const SAID = 15000;

export class Kick {
  #token;
  #dialog = place("kick");
  #link = null;
  #said = 0;

  /** `token()` says what proves who asks, if anything does. */
  constructor(token) {
    this.#token = token;
    place("kick-cancel").addEventListener("click", () => this.#dialog.close());
    place("kick-confirm").addEventListener("click", () => this.#run());
  }

  /** Asks whether to close a link. */
  ask({ link, who }) {
    this.#link = link;
    place("kick-title").textContent = `Kick link ${link}?`;
    place("kick-who").textContent = who;
    place("kick-error").textContent = "";
    place("kick-confirm").textContent = `Kick link ${link}`;
    place("kick-confirm").disabled = false;
    if (!this.#dialog.open) this.#dialog.showModal();
    place("kick-cancel").focus();
  }

  async #run() {
    const link = this.#link;
    place("kick-confirm").disabled = true;
    const error = await this.#send(`kick ${link}`).catch((error) => error.message);
    if (this.#link !== link) return;
    place("kick-confirm").disabled = false;
    place("kick-error").textContent = error ?? "";
    if (error === null) {
      this.#dialog.close();
      place("done").textContent = `Link ${link} was kicked.`;
      place("done").hidden = false;
      clearTimeout(this.#said);
      this.#said = setTimeout(() => (place("done").hidden = true), SAID);
    }
  }

  /** Has the gateway run a command; why it failed, or `null`. */
  async #send(command) {
    const response = await fetch("api/commands", {
      method: "POST",
      headers: { ...headersOf(this.#token()), "Content-Type": "application/json", "X-Fastway-Admin": "1" },
      body: JSON.stringify({ commands: [command] }),
      cache: "no-store",
    });
    // 422: it was run, and failed.
    if (!response.ok && response.status !== 422) throw await refusal(response);
    return (await response.json()).results[0].error;
  }
}
