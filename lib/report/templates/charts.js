// Charts that answer to a hand. Pointing at one, touching it or moving through it by arrow keys gives the values of
// marks, lines and bands; the legend switches series; an axis changes between linear and logarithmic; chart and table
// can be saved. Values are read from the drawing's own tips and from the table behind it: none is made up here.
(() => {
  const { make, say, save, csv } = page;
  const NEAR = 34; // how far from a point a hand may be, in units of the drawing
  const minus = (text) => text.replace("-", "\u2212");
  const numbers = (text) => (text.match(/-?[\d.]+(?:e[+-]?\d+)?/g) || []).map(Number);
  const cells = (row) => [...row.cells].map((one) => one.textContent.trim());

  // The scale of an axis, as the drawing declares it: from data to its units and back.
  const scaleOf = (svg, axis) => {
    const [low, high, start, end, log, least] = svg.dataset[axis].split(" ").map(Number);
    return scale(low, high, start, end, log === 1, least);
  };
  const scale = (low, high, start, end, log, least) => {
    const [from, to] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    return {
      low, high, start, end, log, least,
      at: (value) => start + (((log ? Math.log10(Math.max(value, low)) : value) - from) / (to - from)) * (end - start),
      value: (place) => {
        const x = from + ((place - start) / (end - start)) * (to - from);
        return log ? 10 ** x : x;
      },
    };
  };
  const ticks = ({ low, high, log }) => {
    const found = [];
    if (log) {
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        found.push(...[1, 2, 5].map((m) => m * 10 ** power).filter((v) => v >= low && v <= high));
      }
      if (found.length > 2) return found.length > 7 ? found.filter((v) => /^1/.test(v.toExponential())) : found;
    }
    const power = 10 ** Math.floor(Math.log10(high - low));
    const step = [5, 2, 1, 0.5, 0.2].map((m) => m * power).find((s) => Math.floor(high / s) - Math.ceil(low / s) > 2);
    const steps = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) steps.push(i * step);
    return steps;
  };
  const written = (value) => minus(value >= 1e6 ? `${Number((value / 1e6).toPrecision(4))}M` : String(Number(value.toPrecision(4))));

  // Everything in a chart that has a value: points of a series in order of x, lines of reference, bands.
  const seriesOf = (chart) => {
    const { svg, table } = chart;
    const found = new Map();
    const add = (name, element, x, y, text) => {
      if (element.classList.contains("off")) return;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push({ x, y, text });
    };
    for (const mark of svg.querySelectorAll(".mark[data-tip]")) {
      const box = mark.getBBox();
      const move = mark.transform.baseVal.consolidate();
      const [dx, dy] = move ? [move.matrix.e, move.matrix.f] : [0, 0];
      const x = box.x + box.width / 2 + dx;
      add(mark.getAttribute("class"), mark, x, box.y + box.height / 2 + dy, mark.dataset.tip);
    }
    const rows = table ? [...table.tBodies[0].rows].map(cells) : [];
    const heads = table ? cells(table.tHead.rows[0]) : [];
    for (const line of svg.querySelectorAll("[data-n]")) {
      const column = heads.indexOf(line.dataset.n);
      const own = rows.filter((row) => row[column]);
      const points = line.getAttribute("points").split(" ").map(numbers);
      points.filter((_, i) => !("step" in line.dataset) || i % 2 === 0).forEach(([x, y], i) => {
        if (own[i]) add(line.dataset.n, line, x, y, `${line.dataset.n}: ${own[i][column]} (${heads[0]} ${own[i][0]})`);
      });
    }
    for (const line of svg.querySelectorAll("line[data-tip]")) {
      const [x1, x2, y] = ["x1", "x2", "y1"].map((name) => Number(line.getAttribute(name)));
      add(line.dataset.tip, line, (x1 + x2) / 2, y, line.dataset.tip);
      found.get(line.dataset.tip)?.forEach((point) => { point.across = [x1, x2]; });
    }
    for (const band of svg.querySelectorAll("polygon[data-tip]")) {
      const points = band.getAttribute("points").split(" ").map(numbers);
      const half = points.length / 2;
      points.slice(0, half).forEach(([x, low], i) => {
        const high = points[points.length - 1 - i][1];
        const [one, other] = [low, high].map((place) => written(chart.y.value(place)));
        add(band.dataset.tip, band, x, (low + high) / 2, `${band.dataset.tip}: ${one} to ${other}`);
        const all = found.get(band.dataset.tip);
        if (all) all[all.length - 1].within = [high, low];
      });
    }
    const series = [...found.values()];
    series.forEach((points) => points.sort((a, b) => a.x - b.x));
    return series;
  };

  // The point that a hand at (x, y) means: the nearest one; else a line it is on; else the band it is in.
  const meant = (chart, x, y) => {
    const points = seriesOf(chart).flat();
    const apart = (point) => Math.hypot(point.x - x, point.y - y);
    const nearest = (some) => some.reduce((a, b) => (a && apart(a) <= apart(b) ? a : b), null);
    const single = nearest(points.filter((point) => !point.within && !point.across));
    if (single && apart(single) < NEAR / 3) return single;
    const line = points.find(({ across, y: at }) => across && Math.abs(at - y) < NEAR / 4 && x > across[0] && x < across[1]);
    if (line) return { ...line, x };
    const inside = points.filter(({ within }) => within && y >= within[0] && y <= within[1])
      .reduce((a, b) => (a && Math.abs(a.x - x) <= Math.abs(b.x - x) ? a : b), null);
    if (single && apart(single) < NEAR) return single;
    return inside && Math.abs(inside.x - x) < NEAR ? inside : null;
  };

  const drawn = (svg, tag, attributes) => {
    const element = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    svg.append(element);
    return element;
  };

  // One value shown: a ring on its place and its words beside it; said aloud where a key asked for it.
  let open = null;
  const hide = () => {
    open?.tip.remove();
    open?.ring.remove();
    open = null;
  };
  const show = (chart, point, aloud) => {
    hide();
    if (!point) return;
    const { svg, figure } = chart;
    const ring = drawn(svg, "circle", { class: "cursor", cx: point.x, cy: point.y, r: 9 });
    const tip = make("p", { class: "tip" }, point.text);
    figure.append(tip);
    const [outer, inner] = [figure.getBoundingClientRect(), svg.getBoundingClientRect()];
    const unit = inner.width / svg.viewBox.baseVal.width;
    const left = inner.left - outer.left + point.x * unit - tip.offsetWidth / 2;
    const top = inner.top - outer.top + point.y * unit;
    tip.style.left = `${Math.max(0, Math.min(left, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${top - tip.offsetHeight - 12 < 0 ? top + 14 : top - tip.offsetHeight - 12}px`;
    open = { chart, tip, ring };
    if (aloud) say(point.text, false);
  };

  const pointing = (chart) => {
    const { svg } = chart;
    const hand = (event) => {
      const box = svg.getBoundingClientRect();
      const unit = box.width / svg.viewBox.baseVal.width;
      show(chart, meant(chart, (event.clientX - box.left) / unit, (event.clientY - box.top) / unit));
    };
    svg.addEventListener("pointermove", hand);
    svg.addEventListener("pointerdown", hand);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  };

  // Left and right along a series, up and down between series, Home and End to its ends, Escape to leave.
  const keys = (chart) => {
    const { svg } = chart;
    let place = [0, 0];
    const step = (row, column) => {
      const series = seriesOf(chart);
      if (!series.length) return;
      const r = (row + series.length) % series.length;
      place = [r, Math.max(0, Math.min(column, series[r].length - 1))];
      show(chart, series[r][place[1]], true);
    };
    const nearest = (row) => {
      const series = seriesOf(chart);
      const own = series[(row + series.length) % series.length];
      const x = series[place[0]]?.[place[1]]?.x ?? 0;
      return own ? own.findIndex((p) => Math.abs(p.x - x) === Math.min(...own.map((o) => Math.abs(o.x - x)))) : 0;
    };
    const moves = {
      ArrowRight: () => step(place[0], place[1] + 1),
      ArrowLeft: () => step(place[0], place[1] - 1),
      ArrowDown: () => step(place[0] + 1, nearest(place[0] + 1)),
      ArrowUp: () => step(place[0] - 1, nearest(place[0] - 1)),
      Home: () => step(place[0], 0),
      End: () => step(place[0], Infinity),
      Escape: hide,
    };
    svg.tabIndex = 0;
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) step(...place); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      moves[event.key]();
    });
  };

  // Redraws an axis on the other kind of scale: every place on it becomes a value, and the value its new place.
  const change = (chart, axis) => {
    const { svg } = chart;
    const [old, first] = [chart[axis], scaleOf(svg, axis)];
    const low = old.low <= 0 ? old.least : old.low;
    const to = old.log !== first.log ? first : scale(low, old.high, old.start, old.end, !old.log, old.least);
    const map = (place) => Number(to.at(old.value(Number(place))).toFixed(1));
    const odd = axis === "x" ? 0 : 1;
    for (const line of svg.querySelectorAll("polyline, polygon")) {
      const points = line.getAttribute("points").split(" ").map(numbers);
      points.forEach((point) => { point[odd] = map(point[odd]); });
      line.setAttribute("points", points.join(" "));
    }
    for (const mark of svg.querySelectorAll(".mark")) {
      const box = mark.getBBox();
      const centre = box[axis] + (axis === "x" ? box.width : box.height) / 2;
      const move = mark.transform.baseVal.consolidate();
      const kept = move ? [move.matrix.e, move.matrix.f] : [0, 0];
      kept[odd] = map(centre + kept[odd]) - centre;
      mark.setAttribute("transform", `translate(${kept.join(" ")})`);
    }
    for (const bar of svg.querySelectorAll("path.whisker")) { // M x low V high, then its two ends
      const [x, bottom, top] = numbers(bar.getAttribute("d"));
      const [at, from, until] = axis === "x" ? [map(x), bottom, top] : [x, map(bottom), map(top)];
      bar.setAttribute("d", `M${at} ${from}V${until}M${at - 4} ${until}h8M${at - 4} ${from}h8`);
    }
    if (axis === "y") {
      for (const line of svg.querySelectorAll("line.ref")) {
        for (const end of ["y1", "y2"]) line.setAttribute(end, map(line.getAttribute(end)));
      }
    }
    axes(chart, axis, to, to.log === first.log);
    chart[axis] = to;
  };
  // Lines and texts of the new scale, in the drawing's own style; its own ones where it is as it was drawn.
  const axes = (chart, axis, to, back) => {
    const { svg } = chart;
    const [left, right] = [chart.x.start, chart.x.end];
    const base = chart.y.start;
    const now = [...svg.querySelectorAll(axis === "x" ? ".tx" : ".grid, .ty")];
    now.forEach((old) => old.remove());
    if (back) svg.prepend(...chart.drawn[axis]);
    else chart.drawn[axis] = now;
    const first = svg.firstChild;
    for (const value of back ? [] : ticks(to)) {
      const at = to.at(value);
      const line = axis === "x"
        ? drawn(svg, "line", { class: "axis tx", x1: at, x2: at, y1: base, y2: base + 4 })
        : drawn(svg, "line", { class: "grid", x1: left, x2: right, y1: at, y2: at });
      svg.insertBefore(line, first); // behind what is drawn
      const place = axis === "x" ? { x: at, y: base + 17, "text-anchor": "middle" } : { x: left - 7, y: at + 4, "text-anchor": "end" };
      drawn(svg, "text", { class: `tick t${axis}`, ...place }).textContent = written(value);
    }
    for (const label of svg.querySelectorAll("text.label")) { // what an axis says of its own scale
      if ((Number(label.getAttribute("x")) === 0) === (axis === "y")) {
        label.textContent = label.textContent.replace(to.log ? "linear scale" : "log scale", to.log ? "log scale" : "linear scale");
      }
    }
  };

  // A file that stands alone: the colours of paper, on white.
  const standalone = ({ svg }) => {
    const light = document.styleSheets[0].cssRules[0].style;
    const style = document.getElementById("charts-style").textContent
      .replace(/var\((--[\w-]+)\)/g, (_, name) => light.getPropertyValue(name).trim());
    const copy = svg.cloneNode(true);
    copy.querySelectorAll(".off, .cursor").forEach((one) => one.remove());
    const { width, height } = svg.viewBox.baseVal;
    copy.setAttribute("viewBox", `-10 -10 ${width + 20} ${height + 20}`);
    copy.setAttribute("width", width + 20);
    copy.setAttribute("height", height + 20);
    copy.setAttribute("font-family", "DejaVu Sans, Helvetica, Arial, sans-serif");
    const paper = drawn(copy, "rect", { x: -10, y: -10, width: width + 20, height: height + 20, fill: "#ffffff" });
    copy.prepend(paper);
    const sheet = drawn(copy, "style", {});
    sheet.textContent = style.replace("font-family: inherit; ", "");
    copy.prepend(sheet);
    return new XMLSerializer().serializeToString(copy);
  };

  const button = (text, act, more = {}) => make("button", { type: "button", onclick: act, ...more }, text);
  const tools = (chart) => {
    const { svg, figure, table } = chart;
    const bar = make("div", { class: "acts" });
    for (const axis of (svg.dataset.switch || "").split("")) {
      const name = (log) => `${axis} axis: ${log ? "logarithmic" : "linear"}`;
      bar.append(button(name(chart[axis].log), (event) => {
        hide();
        change(chart, axis);
        event.target.textContent = name(chart[axis].log);
      }));
    }
    if (table) {
      const rows = () => [table.tHead.rows[0], ...table.tBodies[0].rows].map(cells);
      bar.append(button("CSV", () => save(`${figure.id}.csv`, "text/csv", csv(rows()))));
    }
    bar.append(button("SVG", () => save(`${figure.id}.svg`, "image/svg+xml", standalone(chart))));
    svg.after(bar);
  };

  const charts = [...document.querySelectorAll("figure")].map((figure) => {
    const svg = figure.querySelector("svg.chart");
    const chart = { figure, svg, table: figure.querySelector(".data table"), drawn: {} };
    for (const title of svg.querySelectorAll("title")) { // ours take the place of the browser's own
      const owner = title.closest(".mark") || title.parentElement;
      owner.dataset.tip = title.textContent;
      title.remove();
    }
    if (svg.dataset.x) {
      chart.x = scaleOf(svg, "x");
      chart.y = scaleOf(svg, "y");
      pointing(chart);
      keys(chart);
    }
    tools(chart);
    return chart;
  });

  // The legend switches what it names in all charts of its section.
  for (const legend of document.querySelectorAll(".legend")) {
    const section = legend.closest("section");
    const own = charts.filter(({ svg }) => section.contains(svg));
    if (!own.length) continue;
    const off = new Set();
    for (const entry of legend.querySelectorAll("[data-for]")) {
      const wanted = entry.dataset.for;
      const press = button("", (event) => {
        hide();
        if (!off.delete(wanted)) off.add(wanted);
        event.currentTarget.setAttribute("aria-pressed", String(!off.has(wanted)));
        for (const { svg } of own) {
          const gone = off.size ? new Set(svg.querySelectorAll([...off].join(","))) : new Set();
          svg.querySelectorAll("*").forEach((one) => one.classList.toggle("off", gone.has(one)));
        }
      }, { "aria-pressed": "true", title: "Show or hide" });
      press.append(...entry.childNodes);
      entry.append(press);
    }
  }

  document.addEventListener("pointerdown", (event) => { if (!event.target.closest("svg.chart")) hide(); });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
