// The table of samples. Texts become text nodes and nothing else; no style and no markup is made from data.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const several = data.models.length > 1;
  const at = (id) => document.getElementById(id);
  const plain = (number) => number.toLocaleString("en");
  const SLIPS = { arithmetic: "arithmetic slip", reasoning: "reasoning slip", unchecked: "not checkable", no_answer: "no answer", cut_off: "cut off" };

  function make(name, attributes, ...inside) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {}))
      if (typeof value === "function") node.addEventListener(key, value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    node.append(...inside.filter((part) => part !== null && part !== undefined));
    return node;
  }

  // --- what is in the page ---

  const answerOf = ([correct, predicted, strategy, span, tokens, finished, slip, slipped, output]) =>
    ({ correct: !!correct, predicted, strategy: strategy || "none", span, tokens, finished: !!finished, slip, slipped, output });
  const rows = [];
  for (const [id, question, expected, reasoning, tags, flips, answers] of data.asked)
    for (const [sample, given] of answers)
      rows.push({ at: rows.length, id, sample, question, expected, reasoning, tags, flips, answers: given.map((one) => one && answerOf(one)) });
  const sampled = rows.some((row) => row.sample > 0);
  const nameOf = (row) => (sampled ? `${row.id}·${row.sample}` : `${row.id}`);
  const haystack = (row) => row.text ??= [
    nameOf(row), row.question, row.expected, ...Object.entries(row.tags).map(([tag, value]) => `${tag}:${value}`),
    ...row.answers.flatMap((one) => (one ? [one.predicted ?? "", one.output] : [])),
  ].join("\n").toLowerCase();

  // Which model the filters speak of: the last one, since the first is what it is compared with.
  const state = { model: data.models.length - 1, verdict: "all", strategy: "", slip: "", tags: {}, words: [], sort: "number", down: false, page: 0, size: 50 };
  const seen = (row) => row.answers[state.model];
  const VERDICTS = {
    all: ["All", () => true],
    right: ["Right", (one) => one?.correct],
    wrong: ["Wrong", (one) => one && !one.correct],
    none: ["No answer", (one) => one && one.predicted === null],
    cut: ["Cut off", (one) => one && !one.finished],
    corrected: ["Corrected", (_, row) => row.flips[state.model] === "corrected"],
    broken: ["Broken", (_, row) => row.flips[state.model] === "broken"],
  };
  const verdicts = Object.keys(VERDICTS).filter((key) => data.compared || (key !== "corrected" && key !== "broken"));
  const verdictOf = (one) => (one.correct ? "right" : one.predicted !== null ? "wrong" : one.finished ? "no answer" : "cut off");

  function matches(row) {
    const one = seen(row);
    return (!state.strategy || one?.strategy === state.strategy)
      && (!state.slip || one?.slip === state.slip)
      && Object.entries(state.tags).every(([tag, value]) => !value || String(row.tags[tag]) === value)
      && state.words.every((word) => haystack(row).includes(word));
  }

  const ORDERS = {
    number: () => 0,
    question: (a, b) => compare(a.question, b.question),
    expected: (a, b) => numeric(a.expected, b.expected),
    answer: (a, b) => numeric(seen(a)?.predicted ?? "", seen(b)?.predicted ?? ""),
    verdict: (a, b) => compare(seen(a) ? verdictOf(seen(a)) : "", seen(b) ? verdictOf(seen(b)) : ""),
    strategy: (a, b) => compare(seen(a)?.strategy ?? "", seen(b)?.strategy ?? ""),
    change: (a, b) => compare(a.flips[state.model] ?? "", b.flips[state.model] ?? ""),
    tokens: (a, b) => (seen(a)?.tokens ?? 0) - (seen(b)?.tokens ?? 0),
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  function numeric(a, b) {
    const [x, y] = [a, b].map((text) => (text.trim() ? Number(text) : NaN));
    return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) || compare(a, b) : x - y;
  }

  // --- the filters ---

  function chooser(label, options, changed, chosen = "") {
    const select = make("select", { change: (event) => { changed(event.target.value); refresh(); } });
    for (const [value, text] of options) select.append(new Option(text, value, value === chosen, value === chosen));
    at("choices").append(make("label", {}, label, select));
  }

  const distinct = (values) => [...new Set(values)];
  function choosers() {
    if (several) chooser("Filters look at", data.models.map((model, n) => [String(n), model]), (value) => (state.model = Number(value)), String(state.model));
    const all = rows.flatMap((row) => row.answers.filter(Boolean));
    const strategies = distinct(all.map((one) => one.strategy)).sort();
    if (strategies.length > 1) chooser("Strategy", [["", "any"], ...strategies.map((name) => [name, name])], (value) => (state.strategy = value));
    const slips = Object.keys(SLIPS).filter((kind) => all.some((one) => one.slip === kind));
    if (slips.length) chooser("What went wrong", [["", "any"], ...slips.map((kind) => [kind, SLIPS[kind]])], (value) => (state.slip = value));
    for (const tag of distinct(rows.flatMap((row) => Object.keys(row.tags)))) {
      const values = distinct(rows.filter((row) => tag in row.tags).map((row) => String(row.tags[tag]))).sort(numeric);
      if (values.length > 1 && values.length <= 100) chooser(tag, [["", "any"], ...values.map((value) => [value, value])], (value) => (state.tags[tag] = value));
    }
  }

  function chips(found) {
    const had = document.activeElement?.dataset?.verdict;
    at("verdicts").replaceChildren(...verdicts.map((key) => {
      const count = found.filter((row) => VERDICTS[key][1](seen(row), row)).length;
      return make("button", { type: "button", "data-verdict": key, "aria-pressed": state.verdict === key, click: () => { state.verdict = key; refresh(); } },
        VERDICTS[key][0], make("b", {}, plain(count)));
    }));
    if (had) at("verdicts").querySelector(`[data-verdict=${had}]`).focus();
  }

  // --- the table ---

  const columns = [
    ["number", "No."], ["question", "Question"], ["expected", "Expected"],
    ...(several
      ? [...data.models.map((model, n) => ["answer", model, n]), ["change", "Change"]]
      : [["answer", "Answer", 0], ["verdict", "Verdict"], ["strategy", "Strategy"]]),
    ["tokens", "Tokens"],
  ].filter(([key]) => key !== "change" || data.compared);

  function head() {
    const cells = columns.map(([key, label, model]) => {
      const sorted = state.sort === key && (key !== "answer" || state.model === model);
      const press = () => {
        if (model !== undefined && several) { state.model = model; at("choices").querySelector("select").value = String(model); }
        state.down = sorted ? !state.down : false;
        state.sort = key;
        refresh();
        at("rows").querySelector("[aria-sort] button").focus();
      };
      const order = sorted ? (state.down ? "descending" : "ascending") : null;
      return make("th", { scope: "col", role: "columnheader", class: classOf(key), "aria-sort": order, title: label }, make("button", { type: "button", click: press }, label));
    });
    at("rows").tHead.replaceChildren(make("tr", { role: "row" }, ...cells));
  }
  const classOf = (key) => (key === "verdict" ? "verdict-column" : key);

  const cut = (text, most = 160) => (text.length > most ? `${Array.from(text.slice(0, most + 1)).slice(0, -1).join("")}…` : text);
  const chip = (word) => make("span", { class: `chip ${word.replace(" ", "-")}` }, word);
  function cellOf(key, model, row) {
    const one = model === undefined ? seen(row) : row.answers[model];
    if (key === "question") return [cut(row.question)];
    if (key === "expected") return [cut(row.expected, 40)];
    if (key === "change") return row.flips[state.model] ? [chip(row.flips[state.model])] : [];
    if (!one) return ["–"];
    if (key === "verdict") return [chip(verdictOf(one))];
    if (key === "strategy") return [one.strategy];
    if (key === "tokens") return [one.tokens ? plain(one.tokens) : "–"];
    const shown = one.predicted === null ? verdictOf(one) : cut(one.predicted, 40);
    if (!several) return [shown];
    const sign = make("span", { class: `sign ${one.correct ? "right" : "wrong"}`, role: "img", "aria-label": one.correct ? "right:" : "wrong:" }, one.correct ? "✓" : "✗");
    return [make("span", { class: `dot c${model % 6}`, "aria-hidden": "true" }), sign, shown];
  }

  function lineOf(row) {
    const opener = make("button", { type: "button", class: "opener", "aria-expanded": "false", "aria-label": `Open sample ${nameOf(row)}`, keydown: walk }, nameOf(row));
    const cells = columns.slice(1).map(([key, , model]) => make("td", { role: "cell", class: classOf(key) }, ...cellOf(key, model, row)));
    const line = make("tr", { role: "row", class: "sample" }, make("td", { role: "cell", class: "number" }, opener), ...cells);
    line.addEventListener("click", () => { if (!String(getSelection())) toggle(line, opener, row); });
    return line;
  }

  function walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const openers = [...at("rows").querySelectorAll(".opener")];
    openers[openers.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  }

  function toggle(line, opener, row) {
    const open = opener.getAttribute("aria-expanded") !== "true";
    opener.setAttribute("aria-expanded", open);
    line.classList.toggle("open", open);
    if (open) line.after(detailOf(row));
    else line.nextElementSibling.remove();
  }

  // --- one sample, opened ---

  const scrolls = (label) => ({ tabindex: 0, role: "region", "aria-label": label });
  function detailOf(row) {
    const part = (title, className, ...inside) => make("div", {}, make("h3", {}, title), make("pre", { class: `text ${className}`, ...(className && scrolls(title)) }, ...inside));
    const tags = Object.entries(row.tags).map(([tag, value]) => `${tag}: ${value}`).join("   ");
    const asked = [make("div", {}, part("Question", "", row.question), part("Expected answer", "", row.expected), tags ? part("Tags", "", tags) : null)];
    if (row.reasoning) asked.push(part("Expected reasoning", "gold", row.reasoning));
    const told = row.answers.map((one, n) => make("div", {}, make("h3", {}, several ? make("span", { class: `dot c${n % 6}`, "aria-hidden": "true" }) : null, data.models[n]),
      ...(one ? [factsOf(one), make("pre", { class: "text output", ...scrolls(`Output of ${data.models[n]}`) }, ...marked(one))] : ["no answer with this number"])));
    const inside = [make("div", { class: "texts" }, ...asked), make("div", { class: "texts" }, ...told)];
    return make("tr", { role: "row", class: "detail" }, make("td", { role: "cell", colspan: columns.length }, ...inside));
  }

  function factsOf(one) {
    const facts = [chip(verdictOf(one)), make("span", {}, "read as ", make("b", {}, one.predicted ?? "nothing")), make("span", {}, `strategy: ${one.strategy}`), ...(one.tokens ? [make("span", {}, `${plain(one.tokens)} tokens`)] : [])];
    if (one.slip && SLIPS[one.slip] !== verdictOf(one)) facts.push(make("span", {}, SLIPS[one.slip]));
    if (!one.finished && verdictOf(one) !== "cut off") facts.push(make("span", {}, "cut off"));
    return make("div", { class: "facts" }, ...facts);
  }

  // The answer is marked, and the first false equation underlined; they may overlap.
  function marked({ output, span, slipped }) {
    const ends = distinct([0, ...(span || []), ...(slipped || []), output.length]).sort((a, b) => a - b);
    const within = (place, at) => place && place[0] <= at && at < place[1];
    return ends.slice(0, -1).map((from, n) => {
      const text = output.slice(from, ends[n + 1]);
      const inside = within(slipped, from) ? make("span", { class: "slip", title: "arithmetic slip" }, text) : text;
      return within(span, from) ? make("mark", {}, inside) : inside;
    });
  }

  // --- all together ---

  let chosen = [];
  function refresh() {
    const found = rows.filter(matches);
    chips(found);
    chosen = found.filter((row) => VERDICTS[state.verdict][1](seen(row), row));
    const way = state.down ? -1 : 1;
    chosen.sort((a, b) => way * (ORDERS[state.sort](a, b) || a.at - b.at));
    state.page = 0;
    show();
  }

  function show() {
    head();
    const from = state.page * state.size;
    const lines = chosen.slice(from, from + state.size).map(lineOf);
    const nothing = make("tr", { role: "row" }, make("td", { role: "cell", colspan: columns.length, class: "nothing" }, "No sample is like this."));
    at("rows").tBodies[0].replaceChildren(...(lines.length ? lines : [nothing]));
    const held = data.asked.length < data.questions
      ? ` This page holds ${plain(data.asked.length)} of the ${plain(data.questions)} questions, evenly spread, to stay small; samples.jsonl holds all.` : "";
    at("count").textContent = `${plain(chosen.length)} of ${plain(rows.length)} samples.${held}`;
    pages();
  }

  function pages() {
    const last = Math.max(0, Math.ceil(chosen.length / state.size) - 1);
    const turn = (label, to) => make("button", { type: "button", disabled: to < 0 || to > last ? "" : null, click: () => { state.page = to; show(); at("samples").scrollIntoView(); } }, label);
    const sizes = make("select", { change: (event) => { state.size = Number(event.target.value); state.page = 0; show(); } });
    for (const size of [25, 50, 100, 250]) sizes.append(new Option(size, size, size === state.size, size === state.size));
    at("pages").replaceChildren(turn("← Previous", state.page - 1), make("span", {}, `Page ${plain(state.page + 1)} of ${plain(last + 1)}`), turn("Next →", state.page + 1), make("label", {}, "Samples on a page ", sizes));
  }

  let waiting = 0;
  at("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean); refresh(); }, 120);
  });
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  const settings = document.querySelector("details.settings");
  addEventListener("beforeprint", () => (settings.open = true));
  addEventListener("afterprint", () => (settings.open = false));
  for (const id of ["filters", "table", "pages"]) at(id).hidden = false;
  choosers();
  refresh();
})();
