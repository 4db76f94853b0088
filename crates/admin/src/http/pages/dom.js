// Elements. Text is always set as text: nothing that a gateway or a peer says can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, and with children that are elements or text. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same, for drawings. */
export function drawing(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The place of a number: its exact value is its `value`, and what people read is its text. */
export function number(id) {
  return element("data", { id, value: "" }, "–");
}

/** Shows a number in its place; `null`: it is not known. */
export function show(place, value, format) {
  const { text, unit } = value === null ? { text: "–", unit: "" } : format(value);
  const exact = value === null ? "" : String(value);
  if (place.value === exact && place.textContent === text + unit) return;
  place.value = exact;
  place.title = value === null ? "" : value.toLocaleString("en");
  place.replaceChildren(text);
  if (unit) place.append(element("span", { class: "unit" }, unit));
}
