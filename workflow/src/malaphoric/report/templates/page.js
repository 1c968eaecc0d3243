"use strict";

// Tables: a click on a title sorts, a word in the field above leaves the rows that have it.
function valueOf(row, column) {
  const cell = row.cells[column];
  const exact = cell.querySelector("data");
  return exact ? Number(exact.value) : cell.textContent.trim();
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === ""); // what is empty comes last
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

for (const table of document.querySelectorAll("table")) {
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    title.querySelector("button").addEventListener("click", () => {
      const down = title.getAttribute("aria-sort") === "ascending";
      for (const other of titles) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
      rows.sort(([a], [b]) => (a === "" || b === "" || !down ? compare(a, b) : compare(b, a)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

// In quotes: words in this order, in one cell. A minus is one, however it is written.
const plainText = (text) => text.toLowerCase().replaceAll("−", "-");

for (const search of document.querySelectorAll(".search")) {
  const whole = search.closest(".table");
  const rows = [...whole.querySelector("tbody").rows];
  const texts = rows.map((row) => plainText([...row.cells].map((x) => x.textContent).join("\n")));
  const kinds = rows.map((row) => (row.dataset.is ?? "").split(" "));
  search.addEventListener("input", () => {
    const found = plainText(search.querySelector("[type=search]").value).matchAll(/"([^"]*)"?|\S+/g);
    const words = [...found].map(([word, quoted]) => quoted ?? word);
    const only = [...search.querySelectorAll("[data-only]:checked")].map((box) => box.dataset.only);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden =
        !words.every((word) => texts[i].includes(word)) || !only.every((kind) => kinds[i].includes(kind));
      shown += !row.hidden;
    });
    whole.querySelector("output").textContent =
      shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
}

// Light or dark: what the system says until the button is pressed; kept where that is allowed.
{
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () =>
    document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : system.matches;
  const tell = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("theme"));
  };
  try {
    const kept = localStorage.getItem("malaphoric-theme");
    if (kept) document.documentElement.dataset.theme = kept;
  } catch {
    // a file may have no storage
  }
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("malaphoric-theme", document.documentElement.dataset.theme);
    } catch {
      // likewise
    }
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

// A folded part is printed, too.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
