// Tables that are sorted by a press on a heading and filtered by a text. Without this script they are whole and in order.
"use strict";

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
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const order = new Intl.Collator("en", { numeric: true }).compare;
      const rows = Array.from(body.rows).sort((a, b) => order(key(a), key(b)));
      body.append(...(descending ? rows.reverse() : rows));
    });
  });
  return live;
}

function filterable(table, live) {
  const label = document.createElement("label");
  const field = document.createElement("input");
  label.className = "filter";
  field.type = "search";
  label.append(table.dataset.filter + " ", field);
  live.before(label);
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    live.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  };
  field.addEventListener("input", apply);
  apply();
}

// A link into a folded part opens it.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  if (target) target.scrollIntoView();
}

document.querySelectorAll("table[data-filter]").forEach((table) => filterable(table, sortable(table)));
addEventListener("hashchange", unfold);
unfold();
