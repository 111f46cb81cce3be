"use strict";
// The page says everything without this script; it lights up evidence and finds records.
for (const article of document.querySelectorAll("article")) {
  const boxes = new Map([...article.querySelectorAll(".box")].map((box) => [box.dataset.key, box]));
  for (const line of article.querySelectorAll("li[data-keys]")) {
    const light = (on) => {
      for (const key of JSON.parse(line.dataset.keys)) boxes.get(key)?.classList.toggle("lit", on);
    };
    for (const event of ["pointerenter", "focus"]) line.addEventListener(event, () => light(true));
    for (const event of ["pointerleave", "blur"]) line.addEventListener(event, () => light(false));
  }
}
const find = document.getElementById("find");
find.parentElement.hidden = false;
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const article of document.querySelectorAll("article")) {
    const text = article.textContent.toLowerCase();
    article.hidden = !words.every((word) => text.includes(word));
    shown += !article.hidden;
  }
  document.getElementById("found").textContent = words.length ? shown + " found" : "";
});
