// Comfort for a report that is whole without it: sorting, filtering, and the way from a row to its shape and back.
"use strict";
(() => {
  const number = (cell) => Number(cell.dataset.n ?? NaN);

  for (const table of document.querySelectorAll("table[data-sorts]")) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const numeric = heading.classList.contains("n");
        const was = heading.getAttribute("aria-sort");
        const down = was ? was === "ascending" : numeric;
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [a.cells[column], b.cells[column]];
          const order = numeric ? number(x) - number(y) : x.textContent.localeCompare(y.textContent, "en");
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }

  for (const field of document.querySelectorAll("label[data-filters]")) {
    const body = document.getElementById(field.dataset.filters).tBodies[0];
    const input = field.querySelector("input");
    field.hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }

  const map = document.getElementById("map");
  const said = document.getElementById("pointed");
  const rows = document.querySelector("#countries tbody");
  if (!map || !rows) return;
  const hint = said.textContent;
  const point = (code) => {
    document.querySelectorAll(".pointed").forEach((old) => old.classList.remove("pointed"));
    const of = code ? document.querySelectorAll(`[data-c="${code}"]`) : [];
    of.forEach((found) => found.classList.add("pointed"));
    said.textContent = map.querySelector(`[data-c="${code}"] title`)?.textContent ?? hint;
  };
  const code = (event) => event.target.closest("[data-c]")?.dataset.c;
  for (const place of [map, rows]) {
    for (const kind of ["pointerover", "click"]) place.addEventListener(kind, (event) => point(code(event)));
    place.addEventListener("pointerleave", () => point());
  }
  rows.addEventListener("focusin", (event) => point(code(event))); // on the map it would make a stop of the tab key

  // One stop of the tab key for all rows; the arrow keys go from row to row.
  const stop = (row) => {
    for (const other of rows.rows) other.tabIndex = other === row ? 0 : -1;
  };
  if (rows.rows[0]) stop(rows.rows[0]);
  rows.addEventListener("keydown", (event) => {
    const shown = [...rows.rows].filter((row) => !row.hidden);
    const at = shown.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined || !shown[to]) return;
    event.preventDefault();
    stop(shown[to]);
    shown[to].focus();
  });
})();
