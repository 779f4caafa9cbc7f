"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const { picks, words } = data;
  const KINDS = ["yes", "maybe", "no"];
  const say = (key, ...given) => words[key].replace(/\{(\d)\}/g, (_, place) => given[place]);
  // Of each candidate her card and her row.
  const places = picks.map(() => []);
  for (const one of $$("[data-pick]")) places[one.dataset.pick].push(one);
  const status = $("#status");

  // Decisions: kept by the browser where it keeps anything; otherwise until the page is closed.
  const key = "shortlist " + data.key;
  let kept = true;
  const decided = new Map();
  const read = () => {
    try { return JSON.parse(localStorage.getItem(key)) || []; } catch { return []; }
  };
  for (const [id, one] of data.decisions || read())
    decided.set(id, { decision: KINDS.includes(one.decision) ? one.decision : "", note: String(one.note || "") });
  const write = () => {
    try { localStorage.setItem(key, JSON.stringify([...decided])); kept = true; } catch { kept = false; }
  };
  const of = pick => decided.get(pick.id) || { decision: "", note: "" };
  const show = place => {
    const { decision, note } = of(picks[place]);
    for (const one of places[place]) {
      one.dataset.decision = decision;
      for (const button of $$("button[data-decision]", one))
        button.setAttribute("aria-pressed", button.dataset.decision === decision);
      const field = $("[data-note]", one);
      if (field && field.value !== note) field.value = note;
    }
  };
  const decide = (place, change) => {
    const pick = picks[place], now = { ...of(pick), ...change };
    decided.set(pick.id, now);
    if (!data.decisions) write();
    show(place);
    tell();
    document.dispatchEvent(new CustomEvent("decided", { detail: { id: pick.id, ...now } }));
  };

  // What is shown, and in which order.
  const fields = $$("[data-filter]");
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = [];
  const text = (pick, place) => (texts[place] ??=
    plain([pick.id, pick.name, ...Object.values(pick.facts), $(".why", places[place][0])?.textContent].join(" ")));
  const typed = (field, value) => (field.type === "number" ? Number(value) : value);
  const TESTS = {
    search: (pick, place, field) => plain(field.value).split(/\s+/).every(word => text(pick, place).includes(word)),
    fit: (pick, place, field) => field.value === "0" || pick.fit >= Number(field.value),
    decision: (pick, place, field) => of(pick).decision === (field.value === "open" ? "" : field.value),
    is: (pick, place, field) => pick.facts[field.dataset.fact] === field.value,
    from: (pick, place, field) => pick.facts[field.dataset.fact] !== null && pick.facts[field.dataset.fact] >= typed(field, field.value),
    to: (pick, place, field) => pick.facts[field.dataset.fact] !== null && pick.facts[field.dataset.fact] <= typed(field, field.value),
  };
  const isSet = field => field.value !== "" && !(field.type === "range" && field.value === "0");
  let visible = picks.length;
  const tell = (more = "") => {
    const n = KINDS.map(kind => [...decided.values()].filter(one => one.decision === kind).length);
    const parts = [say("shown", visible, picks.length), say("decided", ...n), kept ? "" : words.unkept, more];
    status.textContent = parts.filter(Boolean).join(" · ");
  };
  const filter = () => {
    const active = fields.filter(isSet);
    visible = 0;
    picks.forEach((pick, place) => {
      const passes = active.every(field => TESTS[field.dataset.filter](pick, place, field));
      visible += passes;
      for (const one of places[place]) one.hidden = !passes;
    });
    $("#least").textContent = $("[data-filter=fit]").value;
    const n = active.filter(field => field.dataset.filter !== "search").length;
    $("#active").textContent = n ? `(${n})` : "";
    $(".nobody").hidden = visible > 0;
    tell();
  };
  const value = (pick, by) => by.split(".").reduce((from, name) => from[name], pick);
  const sort = (by, sign) => {
    const order = picks.map((_, place) => place).sort((one, other) => {
      const [a, b] = [value(picks[one], by), value(picks[other], by)];
      if (a === null || b === null) return (a === null) - (b === null) || one - other;
      return sign * (typeof a === "string" ? a.localeCompare(b, data.language) : a - b) || one - other;
    });
    for (const place of order) for (const one of places[place]) one.parentNode.append(one);
    for (const head of $$("th[data-sort]")) {
      if (head.dataset.sort === by) head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  };
  const view = name => {
    for (const button of $$("button[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === name);
    $(".cards").hidden = name !== "cards";
    $(".list").hidden = name !== "table";
  };

  // Of a long list what scores are made of is text until somebody asks for it.
  const reasons = $("#reasons")?.textContent.split("<hr>");
  let names = new Map();
  const PSEUDONYM = /(?:brand|influencer)-[0-9a-f]{16}/g;
  const originals = new Map();
  const name = within => {
    for (const one of names.size ? $$("[data-named]", within) : []) {
      if (!originals.has(one)) originals.set(one, one.textContent);
      one.textContent = originals.get(one).replace(PSEUDONYM, found => names.get(found) || found);
    }
  };
  const unfold = card => {
    const details = $("details", card);
    if ($("table", details)) return;
    details.insertAdjacentHTML("beforeend", reasons[card.dataset.pick]);
    name(details);
  };

  // Two beside each other.
  let chosen = [];
  const choose = (place, on) => {
    chosen = chosen.filter(one => one !== place);
    if (on) chosen = [...chosen.slice(-1), place];
    for (const box of $$("[data-choose]")) box.checked = chosen.includes(Number(box.closest("[data-pick]").dataset.pick));
    $("#compare").textContent = words.compare + (chosen.length ? ` (${chosen.length})` : "");
    $("#compare").disabled = chosen.length < 2;
  };
  const cell = (tag, content, scope) => {
    const made = document.createElement(tag);
    if (scope) made.scope = scope;
    made.append(content);
    return made;
  };
  const compare = () => {
    const cards = chosen.map(place => places[place][0]);
    cards.forEach(unfold);
    const row = (first, others) => {
      const made = document.createElement("tr");
      made.append(first, ...others);
      return made;
    };
    const rows = [row(cell("td", ""), cards.map(card => cell("th", $("h3", card).textContent, "col")))];
    for (const one of $$("[data-compare]", cards[0])) {
      const label = one.dataset.compare;
      const same = cards.map(card => $$("[data-compare]", card).find(other => other.dataset.compare === label));
      rows.push(row(cell("th", label, "row"), same.map(other => cell("td", other.matches("ul") ? other.cloneNode(true) : other.textContent))));
    }
    const parts = cards.map(card => $$(".parts tr:not(.reason)", card));
    parts[0].forEach((one, place) => rows.push(row(cell("th", $("th", one).textContent, "row"), parts.map(own => {
      const made = cell("td", $(".figure", own[place]).textContent);
      made.append($(".bar", own[place]).cloneNode(true));
      return made;
    }))));
    $("#beside table").replaceChildren(...rows);
    $("#beside").showModal();
  };

  // Files: what spreadsheets would compute gets an apostrophe, as in all our tables.
  const quoted = text => {
    const safe = /^'*[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const save = () => {
    const rows = picks.filter(pick => of(pick).decision || of(pick).note)
      .map(pick => [pick.id, of(pick).decision, of(pick).note, String(pick.rank), String(pick.score), data.brand]);
    if (!rows.length) return tell(words.none);
    const table = [["influencer_id", "decision", "note", "rank", "score", "brand_id"], ...rows];
    const text = "\ufeff" + table.map(row => row.map((x, place) => (place === 3 || place === 4 ? x : quoted(x))).join(",") + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `decisions-${data.brand.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 60)}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return tell(say("saved", link.download));
  };
  const table = text => {
    const rows = [[]];
    for (const [, mark, inside, plainly] of text.matchAll(/(^|[,;\r\n])(?:"((?:[^"]|"")*)"|([^,;\r\n]*))/g)) {
      if (mark === "\n" || mark === "\r") rows.push([]);
      const found = inside === undefined ? plainly : inside.replaceAll('""', '"');
      rows.at(-1).push(found.replace(/^'(?='*[=+\-@\t\r])/, ""));
    }
    return rows;
  };
  const rename = async file => {
    const rows = table((await file.text()).replace(/^\ufeff/, ""));
    const place = Math.max(rows[0].indexOf("account_id"), 1);
    names = new Map();
    for (const row of rows) {
      const hidden = row.find(one => one.match(PSEUDONYM)?.[0] === one);
      if (hidden && row[place]) names.set(hidden, row[place]);
    }
    name(document);
    let n = 0;
    picks.forEach((pick, at) => {
      if (!names.has(pick.id)) return;
      pick.name = names.get(pick.id);
      delete texts[at];
      n += 1;
    });
    tell(say("joined", n));
  };

  const asked = target => Number(target.closest("[data-pick]").dataset.pick);
  const order = $("#order");
  document.addEventListener("click", event => {
    const button = event.target.closest("button, a[href^='#pick-']");
    if (!button) return;
    if (button.matches("a")) view("cards");
    else if (button.dataset.decision) {
      const pressed = button.getAttribute("aria-pressed") === "true";
      decide(asked(button), { decision: pressed ? "" : button.dataset.decision });
    } else if (button.dataset.view) view(button.dataset.view);
    else if (button.dataset.sort) {
      const now = button.parentNode.getAttribute("aria-sort"), natural = Number(button.dataset.sign);
      sort(button.dataset.sort, now === (natural > 0 ? "ascending" : "descending") ? -natural : natural);
    } else if (button.id === "reset") {
      for (const field of fields) field.value = field.type === "range" ? "0" : "";
      filter();
    } else if (button.id === "compare") compare();
    else if (button.id === "close") $("#beside").close();
    else if (button.id === "save") save();
  });
  document.addEventListener("toggle", ({ target }) => {
    if (target.open && target.matches(".pick details")) unfold(target.closest(".pick"));
  }, true);
  document.addEventListener("input", ({ target }) => {
    if (target.matches("[data-filter]")) filter();
    else if (target.matches("[data-note]")) decide(asked(target), { note: target.value });
  });
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-choose]")) choose(asked(target), target.checked);
    else if (target === order) sort(order.value, Number(order.selectedOptions[0].dataset.sign || 1));
    else if (target.id === "names" && target.files[0]) rename(target.files[0]);
  });
  picks.forEach((pick, place) => decided.has(pick.id) && show(place));
  for (const field of fields) field.value = field.defaultValue ?? field.value;
  filter();
})();
