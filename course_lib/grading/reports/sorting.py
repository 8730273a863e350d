"""The script of the instructor's page: tables that sort by a click and are filtered by words.

Plain JavaScript, in the page itself: nothing is fetched. Without scripts the tables are as they
were written. `order` and `holds` know no page, so that they can be tried alone.
"""

SCRIPT = """
"use strict";
function order(a, b) {  // numbers by size, then texts as people order them; empty cells last
  const x = a.trim(), y = b.trim();
  if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
  const m = Number(x), n = Number(y);
  if (!Number.isNaN(m) && !Number.isNaN(n)) return m - n;
  return x.localeCompare(y, "en", {numeric: true, sensitivity: "base"});
}
function sorted(texts, down) {  // places in their new order; equal ones keep theirs
  const places = texts.map((_, i) => i);
  const empty = i => !texts[i].trim();
  return places.sort((i, j) =>
    order(texts[i], texts[j]) * (down && !empty(i) && !empty(j) ? -1 : 1) || i - j);
}
function holds(text, query) {  // every word or "group of words", in any order; -word: not that one
  const low = text.toLowerCase(), words = query.toLowerCase().match(/-?"[^"]*"?|\\S+/g) || [];
  return words.map(w => w.replaceAll('"', "")).filter(w => w && w !== "-").every(
    w => w[0] === "-" ? !low.includes(w.slice(1)) : low.includes(w));
}
function make(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = make("button", head.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows], texts = rows.map(row => row.cells[at].textContent);
      body.append(...sorted(texts, down).map(i => rows[i]));
    });
    head.replaceChildren(button);
  });
  const label = make("label", "Show rows with "), input = make("input", ""), said = make("span", "");
  input.type = "search";
  input.placeholder = '"rope: wrong" -late';
  said.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const rows = [...body.rows];
    rows.forEach(row => {
      row.hidden = !holds([...row.cells].map(c => c.textContent).join(" "), input.value);
    });
    said.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  });
  label.append(input);
  const bar = make("p", "");
  bar.className = "filter";
  bar.append(label, said);
  table.parentElement.before(bar);
}
if (typeof document !== "undefined") document.querySelectorAll("table.sortable").forEach(sortable);
"""  # noqa: E501
