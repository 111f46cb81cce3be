"use strict";
// Shows the samples that the page holds, a page at a time, by task, kind, verdict and search. What is chosen stands
// in the address behind #browse?, so that a view can be kept as a bookmark.
(async () => {
  const RIGHT = 1, UNPARSED = 2, FAILED = 4, UNSCORED = 8, CUT = 16;
  const PAGE = 25;
  const section = document.getElementById("browse");
  if (!section) return;
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  const status = part("status");

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  let data;
  try {
    data = await unpack(document.getElementById("samples-data").textContent.trim());
  } catch (error) {
    status.textContent = "This browser cannot unpack the samples; a newer one can. They are all in predictions.jsonl.";
    return;
  }
  const thumbnails = JSON.parse(document.getElementById("thumbnails-data").textContent);
  const models = data.models;

  // A model with several seeds is right where more than half of them are.
  const rightIs = (replies) => 2 * replies.filter((reply) => reply[1] & RIGHT).length > replies.length;
  const any = (row, flag) => row[6].some((replies) => replies.some((reply) => reply[1] & flag));
  const scored = (row) => !any(row, FAILED | UNSCORED);
  const views = { all: { name: "all", test: () => true } };
  if (models.length === 1) {
    views.right = { name: "right", test: (row) => scored(row) && rightIs(row[6][0]) };
    views.wrong = { name: "wrong", test: (row) => scored(row) && !rightIs(row[6][0]) };
  } else {
    for (let other = 1; other < models.length; other++) {
      views["lost" + other] = {
        name: `${models[0]} right, ${models[other]} wrong`,
        test: (row) => scored(row) && rightIs(row[6][0]) && !rightIs(row[6][other]),
      };
      views["won" + other] = {
        name: `${models[0]} wrong, ${models[other]} right`,
        test: (row) => scored(row) && !rightIs(row[6][0]) && rightIs(row[6][other]),
      };
    }
    views.right = { name: "all models right", test: (row) => scored(row) && row[6].every(rightIs) };
    views.wrong = { name: "all models wrong", test: (row) => scored(row) && !row[6].some(rightIs) };
    views.differ = {
      name: "answers differ",
      test: (row) => new Set(row[6].flat().map((reply) => reply[0])).size > 1,
    };
  }
  views.unparsed = { name: "reply could not be read", test: (row) => any(row, UNPARSED) };
  views.failed = { name: "failed", test: (row) => any(row, FAILED) };
  views.unscored = { name: "not scored", test: (row) => any(row, UNSCORED) };

  const controls = { task: part("task"), kind: part("kind"), show: part("show"), q: part("q") };
  let page = 0;

  function option(value, text, count) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = count === undefined ? text : `${text} (${count.toLocaleString("en")})`;
    return made;
  }

  function fillTasks() {
    const counts = data.tasks.map(() => 0);
    for (const row of data.rows) counts[row[0]]++;
    controls.task.append(option("", "all tasks", data.rows.length));
    data.tasks.forEach((task, index) => controls.task.append(option(task, task, counts[index])));
    for (const [value, view] of Object.entries(views)) {
      const count = data.rows.filter(view.test).length;
      if (count || ["all", "right", "wrong"].includes(value)) controls.show.append(option(value, view.name, count));
    }
  }

  function fillKinds() {
    const wanted = data.tasks.indexOf(controls.task.value);
    const counts = new Map();
    for (const row of data.rows) {
      if (controls.task.value && row[0] !== wanted) continue;
      for (const kind of row[5]) counts.set(kind, (counts.get(kind) || 0) + 1);
    }
    const before = controls.kind.value;
    controls.kind.replaceChildren(option("", "all kinds"));
    const groups = new Map();
    for (const index of [...counts.keys()].sort((a, b) => (data.kinds[a] < data.kinds[b] ? -1 : 1))) {
      const [group, ...rest] = data.kinds[index].split(": ");
      if (!groups.has(group)) {
        const made = document.createElement("optgroup");
        made.label = group.replaceAll("_", " ");
        groups.set(group, made);
        controls.kind.append(made);
      }
      groups.get(group).append(option(data.kinds[index], rest.join(": ") || "(none)", counts.get(index)));
    }
    choose(controls.kind, before);
    controls.kind.disabled = counts.size === 0;
  }

  function choose(select, value) {
    select.value = [...select.options].some((one) => one.value === value) ? value : select.options[0].value;
  }

  function chosen() {
    const task = controls.task.value ? data.tasks.indexOf(controls.task.value) : -1;
    const kind = controls.kind.value ? data.kinds.indexOf(controls.kind.value) : -1;
    const test = views[controls.show.value].test;
    const words = controls.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    return data.rows.filter((row) => {
      if (task >= 0 && row[0] !== task) return false;
      if (kind >= 0 && !row[5].includes(kind)) return false;
      if (!test(row)) return false;
      if (!words.length) return true;
      const name = row[2] < 0 ? "" : data.images[row[2]][0];
      const text = [row[1], name, row[3], row[4], ...row[6].flat().map((reply) => reply[0])].join("\n").toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  function element(kind, style, text) {
    const made = document.createElement(kind);
    if (style) made.className = style;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function mark(flags) {
    if (flags & FAILED) return element("span", "mark wrong", "failed");
    if (flags & UNSCORED) return element("span", "mark", "not scored");
    const right = flags & RIGHT;
    const words = (right ? "right" : "wrong") + (flags & UNPARSED ? ", not read" : "");
    return element("span", "mark " + (right ? "right" : "wrong"), words);
  }

  function replyLine(reply, name) {
    const [text, flags, submitted] = reply;
    const line = element("div", "reply");
    if (name) line.append(element("span", "by", name), " ");
    const shown = text.trim().replace(/\s+/g, " ");
    line.append(mark(flags), " ", element("span", "said", (shown || "(no words)") + (flags & CUT ? " …" : "")));
    if (submitted !== undefined || shown !== text) {
      const raw = element("details");
      raw.append(element("summary", "", "raw text"));
      const verbatim = element("pre", "", text);
      verbatim.tabIndex = 0;
      raw.append(verbatim);
      if (submitted !== undefined) raw.append(element("div", "soft small", "in the answer file: " + submitted));
      line.append(raw);
    }
    return line;
  }

  function picture(index) {
    if (index < 0) return element("div", "nothing", "no image");
    const [name, thumbnail] = data.images[index];
    if (thumbnail < 0) return element("div", "nothing", name);
    const image = element("img");
    image.src = "data:" + thumbnails[thumbnail];
    image.alt = "Image " + name;
    image.title = name;
    return image;
  }

  function card(row) {
    const [task, id, image, question, truth, kinds, replies] = row;
    const made = element("article", "card sample");
    const frame = element("div", "picture");
    frame.append(picture(image));
    const body = element("div", "body");
    const where = [data.tasks[task], id, ...kinds.map((kind) => data.kinds[kind])].join(" · ");
    body.append(element("div", "soft small", where));
    if (question) body.append(element("div", "question", question));
    if (truth) body.append(element("div", "truth", "truth: " + truth));
    replies.forEach((seeds, model) => {
      seeds.forEach((reply, seed) => {
        const name = models.length === 1 ? "" : models[model] + (seeds.length > 1 ? `, seed ${seed + 1}` : "");
        body.append(replyLine(reply, name));
      });
    });
    made.append(frame, body);
    return made;
  }

  function draw() {
    const found = chosen();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    part("list").replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(card));
    const from = found.length ? page * PAGE + 1 : 0;
    const to = Math.min(found.length, (page + 1) * PAGE);
    const n = (number) => number.toLocaleString("en");
    status.textContent = `${n(found.length)} of ${n(data.rows.length)} ${data.rows.length === 1 ? "sample" : "samples"}; ${n(from)} to ${n(to)} are shown`;
    part("page").textContent = `page ${page + 1} of ${pages}`;
    part("back").disabled = page === 0;
    part("on").disabled = page >= pages - 1;
  }

  function remember() {
    const wanted = new URLSearchParams();
    for (const [name, control] of Object.entries(controls)) {
      if (control.value && control.value !== "all") wanted.set(name, control.value);
    }
    if (page) wanted.set("page", page + 1);
    const text = wanted.toString();
    try {
      history.replaceState(null, "", "#browse" + (text ? "?" + text : ""));
    } catch (error) {
      // Some browsers refuse it for files; the page works without.
    }
  }

  function recall() {
    if (!location.hash.startsWith("#browse?")) return false;
    const wanted = new URLSearchParams(location.hash.slice("#browse?".length));
    choose(controls.task, wanted.get("task") || "");
    fillKinds();
    choose(controls.kind, wanted.get("kind") || "");
    choose(controls.show, wanted.get("show") || "all");
    controls.q.value = wanted.get("q") || "";
    page = (parseInt(wanted.get("page"), 10) || 1) - 1;
    return true;
  }

  function changed() {
    page = 0;
    draw();
    remember();
  }

  function turn(by) {
    page += by;
    draw();
    remember();
    section.scrollIntoView();
  }

  fillTasks();
  fillKinds();
  controls.task.addEventListener("change", () => {
    fillKinds();
    changed();
  });
  controls.kind.addEventListener("change", changed);
  controls.show.addEventListener("change", changed);
  let waiting = 0;
  controls.q.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 150);
  });
  part("back").addEventListener("click", () => turn(-1));
  part("on").addEventListener("click", () => turn(1));
  for (const link of document.querySelectorAll("a[data-browse]")) {
    link.addEventListener("click", () => setTimeout(() => section.scrollIntoView()));
  }
  addEventListener("hashchange", () => {
    if (recall()) draw();
  });
  const asked = recall();
  part("form").hidden = false;
  draw();
  if (asked) section.scrollIntoView({ behavior: "instant" });
})();
