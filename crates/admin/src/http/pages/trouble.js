// What is wrong now, as the gateway judges it: who, how long, what to do.

import { element } from "./dom.js";
import { lasting } from "./format.js";

const WORDS = { critical: "Trouble", warning: "Warning" };

export class TroubleList {
  #place = document.getElementById("trouble");
  #none = document.getElementById("trouble-none");
  #list = document.getElementById("trouble-list");
  #kick;

  /** `kick({ link, who })` asks whether to close a link. */
  constructor(kick) {
    this.#kick = kick;
  }

  /** The worst of what is wrong: `critical`, `warning` or `none`. */
  get severity() {
    return this.#place.dataset.severity;
  }

  /** What is wrong, in one word; `null`: nothing. */
  get word() {
    return WORDS[this.severity] ?? null;
  }

  update(troubles) {
    this.#place.dataset.severity = troubles[0]?.severity ?? "none";
    this.#none.textContent = "No trouble: nothing is held up, and no limit refuses anybody.";
    this.#none.hidden = troubles.length > 0;
    // Lines stay where they are, so that a button does not vanish under the pointer each second.
    while (this.#list.children.length > troubles.length) this.#list.lastChild.remove();
    troubles.forEach((trouble, index) => this.#fill(this.#list.children[index] ?? this.#add(), trouble));
  }

  #add() {
    const button = element("button", { type: "button", class: "small danger" });
    const summary = element("p", { class: "summary" }, element("strong"), element("span", { class: "lasting" }));
    const line = element("li", {}, summary, element("p", { class: "advice" }), button);
    button.addEventListener("click", () => this.#kick({ link: Number(line.dataset.link), who: line.querySelector("strong").textContent }));
    this.#list.append(line);
    return line;
  }

  #fill(line, { severity, kind, summary, advice, lasting_ms, link }) {
    line.dataset.severity = severity;
    line.dataset.kind = kind;
    line.dataset.link = link ?? "";
    const time = lasting_ms === null ? "" : ` For ${lasting(lasting_ms).text}.`;
    const button = line.querySelector("button");
    button.hidden = link === null;
    set(button, `Kick link ${link}`);
    set(line.querySelector("strong"), summary);
    set(line.querySelector(".lasting"), time);
    set(line.querySelector(".advice"), advice);
  }
}

function set(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
