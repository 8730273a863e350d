/* Repairs to the theme that CSS can't make. Runs once, asks the network for nothing. */
"use strict";

/* Opened as a file, a page may not fetch another: search then lists titles without excerpts. */
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

function repairNames() {
  /* A button's name must hold the words it shows: drop labels that hide them. */
  for (const e of document.querySelectorAll(".search-button-field")) {
    e.removeAttribute("aria-label");
  }
  for (const e of document.querySelectorAll(".theme-switch-button")) {
    e.removeAttribute("aria-label");
    e.insertAdjacentHTML("afterbegin", '<span class="visually-hidden">Color mode:</span>');
  }
  for (const e of document.querySelectorAll("details.hide > summary")) {
    e.removeAttribute("aria-label");
  }
  /* The bibliography says that it is a list: then its entries are items. */
  for (const e of document.querySelectorAll('.citation-list[role="list"] > *')) {
    e.setAttribute("role", "listitem");
  }
  /* The arrows of the sidebar say which chapter they open. */
  for (const e of document.querySelectorAll(".bd-sidebar-primary details > summary")) {
    const chapter = e.closest("li")?.querySelector("a")?.textContent.trim() || "this part";
    e.setAttribute("aria-label", `Pages of ${chapter}`);
  }
}

function repairScrolling() {
  /* Whatever scrolls sideways must be reachable by keyboard, and wide tables get a box. */
  for (const table of document.querySelectorAll("article table")) {
    if (table.closest(".course-table, .table-box, .highlighttable")) continue;
    const box = document.createElement("div");
    box.className = "table-box";
    table.replaceWith(box);
    box.append(table);
  }
  const boxes = "article pre, .table-box, .course-figure, article .output, article mjx-container";
  for (const e of document.querySelectorAll(boxes)) {
    const scrolls = e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight;
    if (scrolls && getComputedStyle(e).overflowX !== "visible") e.tabIndex = 0;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  repairNames();
  repairScrolling();
});
addEventListener("load", () => window.MathJax?.startup?.promise?.then(repairScrolling));
addEventListener("resize", repairScrolling);
