// The page is whole without this: it sorts tables, and opens what a link leads to where the browser does not.
const number = (text) => parseFloat(text.replace("\u2212", "-").replace(/[<,\s]/g, ""));

function sort(head) {
  const body = head.closest("table").tBodies[0], numbers = head.classList.contains("n");
  // Numbers begin with the largest, words with A; what is empty stays last.
  const before = head.getAttribute("aria-sort");
  const up = before ? before === "descending" : !numbers;
  const value = (row) => {
    const text = row.cells[head.cellIndex].textContent.trim();
    return numbers ? number(text) : text;
  };
  const none = (v) => v === "" || Number.isNaN(v);
  const order = (a, b) => (numbers ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const rows = [...body.rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => none(a) - none(b) || (up ? order(a, b) : order(b, a)) || 0);
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows.map(([, row]) => row));
}

for (const head of document.querySelectorAll("th")) {
  if (head.closest("table").tBodies[0].rows.length < 2) continue;
  head.tabIndex = 0;
  head.classList.add("sorts");
  head.onclick = () => sort(head);
  head.onkeydown = (event) => event.key === "Enter" && sort(head);
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details");
  if (!folded || folded.open) return;
  folded.open = true;
  target.scrollIntoView();
}

addEventListener("hashchange", reveal);
reveal();
