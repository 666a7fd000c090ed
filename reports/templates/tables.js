// Tables that are sorted by a press on a heading and filtered by words and choices, and numbers that say where they
// are from. Without this script they are whole and in order.
"use strict";

const collator = new Intl.Collator("en", { numeric: true });

// What a cell begins with, as a number: "−1.5 (…)", "12 345", "2.1 × 10⁻⁵"; NaN for other texts.
function numberOf(text) {
  const plain = text.replace(/[\u202f\u00a0 ,]/g, "").replace(/\u2212/g, "-");
  const found = plain.match(/^[$+]?(-?\d+(?:\.\d+)?)(?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?/);
  if (!found) return NaN;
  const power = [...(found[2] ?? "")].map((sign) => (sign === "⁻" ? "-" : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(sign))).join("");
  return Number(`${found[1]}e${power || 0}`);
}

// Numbers by size, all others as texts; a dash and the like come last.
function comparison(texts) {
  const numbers = new Map(texts.map((text) => [text, numberOf(text)]));
  const isNumeric = texts.some((text) => /^[$+\u2212-]?\d/.test(text)) && texts.every((text) => !Number.isNaN(numbers.get(text)) || !/\d/.test(text));
  const last = (text) => (Number.isNaN(numbers.get(text)) ? Infinity : numbers.get(text));
  return isNumeric ? (a, b) => last(a) - last(b) || 0 : collator.compare;
}

function sortable(table) {
  const body = table.tBodies[0];
  const live = document.createElement("p");
  live.className = "source";
  live.setAttribute("role", "status");
  table.closest(".scroll").before(live);
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => row.cells[column].textContent.trim();
      const order = comparison(Array.from(body.rows, key));
      const rows = Array.from(body.rows).sort((a, b) => order(key(a), key(b)));
      body.append(...(descending ? rows.reverse() : rows));
    });
  });
  return live;
}

function labelled(text, field) {
  const label = document.createElement("label");
  label.className = "filter";
  label.append(`${text} `, field);
  return label;
}

// A choice among the values of a column.
function choice(table, heading, column) {
  const field = document.createElement("select");
  const values = new Set(Array.from(table.tBodies[0].rows, (row) => row.cells[column].textContent.trim()));
  field.append(new Option("all", ""), ...[...values].sort(collator.compare).map((value) => new Option(value, value)));
  return { label: labelled(heading.textContent.trim(), field), field, column };
}

function filterable(table) {
  const field = document.createElement("input");
  field.type = "search";
  const headings = Array.from(table.querySelectorAll("thead th"));
  const choices = headings.flatMap((heading, column) => ("facet" in heading.dataset ? [choice(table, heading, column)] : []));
  const controls = document.createElement("div");
  controls.className = "controls";
  controls.append(...choices.map((one) => one.label), labelled(table.dataset.filter, field));
  const live = sortable(table);
  live.before(controls);
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      const chosen = choices.every((one) => !one.field.value || row.cells[one.column].textContent.trim() === one.field.value);
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
      shown += row.hidden ? 0 : 1;
    }
    live.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  };
  controls.addEventListener("input", apply);
  apply();
}

// A press on a number opens its table's sources and says where in them it is.
function locate(event) {
  const number = event.target.closest("td[data-source], th[data-source], div[data-source]");
  const part = number?.closest(".sourced")?.querySelector(":scope > details.sources");
  if (!part || String(getSelection())) return;
  const [file, way = ""] = number.dataset.source.split(/#(.*)/s);
  const row = file.endsWith(".csv") && way.match(/^(\d+)\.(.*)$/s);
  const place = row ? `row ${row[1]}, column ${row[2]} of ` : way ? `${way} in ` : "";
  part.open = true;
  part.querySelector(".hint").textContent = `${number.textContent.trim()}: ${place}results/${file}`;
  part.scrollIntoView({ block: "nearest" });
}

// A link into a folded part opens it.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  if (target) target.scrollIntoView();
}

document.querySelectorAll("table[data-filter]").forEach(filterable);
document.addEventListener("click", locate);
addEventListener("hashchange", unfold);
unfold();
