// The admin token. It comes from the form or from the address (`/#token=…`), and this tab alone keeps it.

const KEY = "fastway-admin-token";

/** The token, if there is one. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** Takes a token out of the address, where it would be seen and remembered; whether there was one. */
export function takeFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return false;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
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
