// The table of runs: sorts and filters by column, shows the columns one wants, and keeps all of that in the address, so
// that a link leads to what one sees. Without this script the table is whole and in the order of the study.
(() => {
  const { make, save, copy, reveal } = page;
  const table = document.getElementById("runs-table");
  if (!table) { reveal(); return; }
  const heads = [...table.tHead.rows[0].cells];
  const names = heads.map((head) => head.textContent.trim());
  const rows = [...table.tBodies[0].rows];
  const state = { words: "", status: "", sort: "", hidden: new Set(), filters: names.map(() => "") };

  // What a cell is ordered and compared by: its number, or its text in small letters; null where nothing is known.
  const key = (row, i) => {
    const cell = row.cells[i];
    const text = cell.textContent.trim();
    if ("sort" in cell.dataset) return Number(cell.dataset.sort);
    if (text === "–") return null;
    const plain = text.replace(/\u2212/g, "-").replace(/[\u202f %]/g, "");
    return plain !== "" && !Number.isNaN(Number(plain)) ? Number(plain) : text.toLowerCase();
  };
  const keyed = new Map(rows.map((row) => [row, names.map((_, i) => key(row, i))]));
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  // `> 0.5`, `<= 3`, `0.5..0.6`, `2M` as a number; else words that must be there, or with `!` must not.
  const units = { k: 1e3, m: 1e6, b: 1e9, "%": 0.01 };
  const amount = (text) => {
    const found = /^(-?[\d.]+(?:e-?\d+)?)\s*([kmb%]?)$/.exec(text.replace(/\u2212/g, "-").trim());
    return found ? Number(found[1]) * (units[found[2]] || 1) : NaN;
  };
  const tests = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b,
  };
  const condition = (text, i) => {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return () => true;
    const compared = /^(<=|>=|<|>|=)(.+)$/.exec(wanted);
    const limits = compared ? [amount(compared[2])] : wanted.split("..").map(amount);
    if (compared && !Number.isNaN(limits[0])) {
      return (row) => typeof keyed.get(row)[i] === "number" && tests[compared[1]](keyed.get(row)[i], limits[0]);
    }
    if (limits.length === 2 && !limits.some(Number.isNaN)) {
      return (row) => keyed.get(row)[i] >= limits[0] && keyed.get(row)[i] <= limits[1];
    }
    const says = (row, word) => row.cells[i].textContent.toLowerCase().includes(word);
    return wanted[0] === "!" ? (row) => !says(row, wanted.slice(1)) : (row) => says(row, wanted);
  };

  const compare = (a, b) => (typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
  const order = () => {
    const down = state.sort.startsWith("-");
    const column = names.indexOf(state.sort.replace(/^-/, ""));
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== column ? "none" : down ? "descending" : "ascending"));
    const sorted = column < 0 ? rows : [...rows].sort((one, other) => {
      const [a, b] = [keyed.get(one)[column], keyed.get(other)[column]];
      if (a === null || b === null) return (a === null) - (b === null); // what is unknown comes last, both ways
      return down ? compare(b, a) : compare(a, b);
    });
    table.tBodies[0].append(...sorted);
  };

  const apply = () => {
    const wanted = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const conditions = state.filters.map(condition);
    let n = 0;
    for (const row of rows) {
      const done = row.cells[1].textContent.trim() === "done";
      row.hidden = !(wanted.every((word) => texts.get(row).includes(word))
        && (!state.status || (state.status === "done") === done) && conditions.every((fits) => fits(row)));
      n += !row.hidden;
    }
    shown.textContent = n === rows.length ? `${n} runs` : `${n} of ${rows.length} runs`;
    for (const row of [...table.tHead.rows, ...rows]) {
      [...row.cells].forEach((cell, i) => { cell.hidden = state.hidden.has(names[i]); });
    }
    order();
  };

  // The state as the end of an address, and back. Only what differs from the whole table is in it.
  const written = () => {
    const found = new URLSearchParams();
    if (state.words) found.set("words", state.words);
    if (state.status) found.set("status", state.status);
    if (state.sort) found.set("sort", state.sort);
    if (state.hidden.size) found.set("without", [...state.hidden].join("|"));
    state.filters.forEach((text, i) => { if (text) found.set(`in ${names[i]}`, text); });
    return String(found) ? `#runs?${found}` : "#runs";
  };
  const read = () => {
    if (!location.hash.startsWith("#runs?")) return;
    const found = new URLSearchParams(location.hash.slice("#runs?".length));
    state.words = found.get("words") || "";
    state.status = found.get("status") || "";
    state.sort = found.get("sort") || "";
    state.hidden = new Set((found.get("without") || "").split("|").filter((name) => names.indexOf(name) > 0));
    state.filters = names.map((name) => found.get(`in ${name}`) || "");
  };
  const changed = () => {
    apply();
    history.replaceState(null, "", written());
  };

  // The controls are made here: without the script there is nothing that does nothing.
  const shown = make("output", { "aria-live": "polite" });
  const words = make("input", { type: "search", id: "filter", placeholder: "words, such as: direction 20M", autocomplete: "off",
    oninput: () => { state.words = words.value; changed(); } });
  const status = make("select", { id: "state", onchange: () => { state.status = status.value; changed(); } },
    ...[["", "all"], ["done", "done"], ["other", "not done"]].map(([value, text]) => make("option", { value }, text)));
  const boxes = names.map((name, i) => make("input", { type: "checkbox", id: `column-${i}`, disabled: i === 0, onchange: (event) => {
    if (event.target.checked) state.hidden.delete(name); else state.hidden.add(name);
    changed();
  } }));
  const columns = make("details", { class: "columns" }, make("summary", {}, "Columns"), make("div", {},
    ...boxes.map((box, i) => make("label", {}, box, ` ${names[i]}`))));
  const filters = names.map((name, i) => make("input", { type: "search", "aria-label": `Filter ${name}`, autocomplete: "off",
    placeholder: rows.some((row) => typeof keyed.get(row)[i] === "number") ? "> 0.5" : "has",
    oninput: (event) => { state.filters[i] = event.target.value; changed(); } }));
  const everything = make("button", { type: "button", onclick: () => {
    Object.assign(state, { words: "", status: "", sort: "", hidden: new Set(), filters: names.map(() => "") });
    fill();
    changed();
  } }, "Reset");
  const link = make("button", { type: "button", onclick: () => { changed(); copy(location.href); } }, "Copy link to this view");
  const fill = () => {
    words.value = state.words;
    status.value = state.status;
    boxes.forEach((box, i) => { box.checked = !state.hidden.has(names[i]); });
    filters.forEach((box, i) => { box.value = state.filters[i]; });
  };

  const bar = document.querySelector("#runs .tools");
  bar.before(make("form", { class: "tools", role: "search", "aria-label": "Filter runs", onsubmit: (event) => event.preventDefault() },
    make("label", { for: "filter" }, "Filter"), words, make("label", { for: "state" }, "Status"), status, shown, columns, link, everything));
  heads.forEach((head, i) => {
    const press = make("button", { type: "button", onclick: () => {
      state.sort = state.sort === names[i] ? `-${names[i]}` : names[i];
      changed();
    } }, names[i]);
    head.replaceChildren(press);
  });
  table.tHead.append(make("tr", { class: "filters" }, ...filters.map((box) => make("td", {}, box))));

  // The packed file becomes a plain one where the browser can unpack it.
  const packed = document.getElementById("runs-csv");
  if ("DecompressionStream" in window) {
    packed.addEventListener("click", async (event) => {
      event.preventDefault();
      const bytes = Uint8Array.from(atob(packed.href.split(",")[1]), (letter) => letter.charCodeAt(0));
      const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      save("runs.csv", "text/csv", await new Response(text).blob());
    });
  }

  const arrive = () => { read(); fill(); apply(); };
  addEventListener("hashchange", arrive);
  arrive();
  reveal();
})();
