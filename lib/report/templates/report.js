"use strict";
// The page without its charts and its table of runs: folds on paper, links that open what they lead to, and what the
// other scripts share. Everything the page says is there without it.
const page = (() => {
  // An element with attributes and children; texts become text nodes, so nothing is ever read as HTML.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // One line for screen readers, and for eyes a moment long.
  const status = make("p", { role: "status", class: "status" });
  document.body.append(status);
  let fading = 0;
  const say = (text, shown = true) => {
    status.textContent = text;
    status.classList.toggle("shown", shown);
    clearTimeout(fading);
    fading = setTimeout(() => status.classList.remove("shown"), 1800);
  };

  const save = (name, type, content) => {
    const link = make("a", { download: name, href: URL.createObjectURL(new Blob([content], { type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      say("Link copied.");
    } catch { // a browser that keeps its clipboard from files: the address bar has the link
      say("The link stands in the address bar.");
    }
  };

  // Text of a cell as a spreadsheet reads it: plain minus signs, no spaces in numbers, nothing it would run.
  const plain = (text) => {
    const number = text.replace(/\u2212/g, "-").replace(/\u202f/g, "");
    if (number !== "" && !Number.isNaN(Number(number))) return number;
    return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  };
  const csv = (rows) => rows.map((row) => row.map((text) => {
    const value = plain(text);
    return /[",\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value;
  }).join(",")).join("\n");

  // A link leads to what it names, also where that is folded away.
  const reveal = () => {
    const name = decodeURIComponent(location.hash.slice(1)).split("?")[0];
    const target = name && document.getElementById(name);
    if (!target) return;
    for (let fold = target.parentElement.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      fold.open = true;
    }
    const own = target.querySelector(":scope > details.body");
    if (own) own.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.link");
    if (link) copy(link.href);
  });

  // Contents stand open beside a wide page, folded above a narrow one.
  const contents = document.querySelector("nav details");
  const wide = matchMedia("(min-width: 80rem)");
  const arrange = () => { contents.open = wide.matches; };
  wide.addEventListener("change", arrange);
  arrange();
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !wide.matches) contents.open = false;
  });

  // Folds belong on paper too, but for tables that repeat what a chart shows, and for the many further tables of a
  // large study, which would make a book of it.
  const folded = () => [...document.querySelectorAll("main details:not([open]):not(.data):not(.more, .more *)")];
  let opened = [];
  addEventListener("beforeprint", () => { opened = folded(); opened.forEach((fold) => { fold.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((fold) => { fold.open = false; }); opened = []; });

  return { make, say, save, copy, csv, reveal };
})();
