// The admin token. It comes from the form or from the address (`/#token=…`), and this tab alone keeps it.

const KEY = "fastway-admin-token";

/** The token, if there is one. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** What the address may have meant, as far as it was not tried yet. */
let readings = [];

/** Takes a token out of the address, where it would be seen and remembered; whether there was one. */
export function takeFromAddress() {
  const given = /^#token=(.*)$/.exec(location.hash)?.[1];
  if (given === undefined) return false;
  readings = readingsOf(given);
  takeNextReading();
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

/** Takes the next reading of the token in the address, the one before having been refused; whether there was one. */
export function takeNextReading() {
  const next = readings.shift();
  if (next === undefined) return false;
  sessionStorage.setItem(KEY, next);
  return true;
}

/**
 * A token may hold `+`, `%` and `&`. Browsers encode a few characters of an address by themselves, and whoever made the
 * bookmark may have encoded all of them: nothing but the gateway can tell which reading is the token.
 */
function readingsOf(given) {
  const readings = [given, given.replace(/%(22|3C|3E|60)/gi, decodeURIComponent)];
  try {
    readings.push(decodeURIComponent(given));
  } catch {
    // It holds a `%` of its own.
  }
  return [...new Set(readings)];
}

/** The form that asks for the token; `entered` is called when there is one. */
export class TokenForm {
  #form = document.getElementById("token");
  #input = document.getElementById("token-input");
  #error = document.getElementById("token-error");

  constructor(entered) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, this.#input.value.trim());
      entered();
    });
  }

  /** Asks, since there is no token or the one that there is was not taken. */
  ask() {
    this.#error.textContent = token() ? "The gateway does not take this token." : "";
    sessionStorage.removeItem(KEY);
    this.#form.hidden = false;
    this.#input.select();
    this.#input.focus();
  }

  /** The token was taken. */
  close() {
    this.#form.hidden = true;
    this.#input.value = "";
  }
}
