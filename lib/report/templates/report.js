"use strict";
(() => {
  // Folded tables belong on paper too, but for those below charts, which repeat what the chart shows, and
  // for the many further tables of a large study, which would make a book of it.
  const folded = () => [...document.querySelectorAll("details:not([open]):not(figure *):not(.more, .more *)")];
  let opened = [];
  addEventListener("beforeprint", () => { opened = folded(); opened.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); opened = []; });

  const table = document.getElementById("runs-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = document.getElementById("filter");
  const state = document.getElementById("state");
  const shown = document.getElementById("shown");

  const apply = () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const row of rows) {
      const done = row.cells[1].textContent.trim() === "done";
      const fits = wanted.every((word) => words.get(row).includes(word));
      row.hidden = !(fits && (!state.value || (state.value === "done") === done));
      if (!row.hidden) n += 1;
    }
    shown.textContent = n === rows.length ? `${n} runs` : `${n} of ${rows.length} runs`;
  };
  filter.addEventListener("input", apply);
  state.addEventListener("change", apply);
  filter.form.addEventListener("submit", (event) => event.preventDefault());

  const key = (row, i) => {
    const cell = row.cells[i];
    const text = cell.textContent.trim();
    if ("sort" in cell.dataset) return Number(cell.dataset.sort);
    if (text === "–") return null;
    const plain = text.replace(/\u2212/g, "-").replace(/[\u202f %]/g, "");
    return plain !== "" && !Number.isNaN(Number(plain)) ? Number(plain) : text.toLowerCase();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row) => [key(row, i), row]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null); // what is unknown comes last, both ways
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...keyed.map(([, row]) => row));
    });
  });
})();
