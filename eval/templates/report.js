"use strict";
// The page says everything without this script; it adds the theme switch, the filter and values under the pointer.
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

for (const box of document.querySelectorAll(".filters")) {
  box.hidden = false;
  const buttons = [...box.querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      const want = button.dataset.show;
      for (const card of document.querySelectorAll(".sheet .card")) {
        card.hidden = want !== "all" && card.dataset.kind !== want;
      }
    });
  }
}

for (const chart of document.querySelectorAll("svg.chart")) {
  const series = JSON.parse(chart.dataset.series);
  const cursor = chart.querySelector(".cursor");
  const label = document.createElement("div");
  label.className = "hover";
  label.hidden = true;
  chart.parentElement.append(label);
  const nearest = (points, x) => points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
  chart.addEventListener("pointermove", (event) => {
    const frame = chart.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * chart.viewBox.baseVal.width;
    const found = series.map((line) => [line.name, nearest(line.points, x)]);
    const at = found[0][1];
    cursor.setAttribute("x1", at[0]);
    cursor.setAttribute("x2", at[0]);
    cursor.removeAttribute("hidden");
    label.textContent = ["step " + at[2], ...found.map(([name, p]) => name + "  " + p[3].toFixed(4))].join("\n");
    label.hidden = false;
    const left = (at[0] / chart.viewBox.baseVal.width) * frame.width;
    label.style.top = "8px";
    label.style.left = left > frame.width / 2 ? left - label.offsetWidth - 12 + "px" : left + 12 + "px";
  });
  chart.addEventListener("pointerleave", () => {
    label.hidden = true;
    cursor.setAttribute("hidden", "");
  });
}
