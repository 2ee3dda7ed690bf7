"use strict";
/* The list of all tasks: search, filter, order, and why one took so long. Everything it shows is
   written as text, never as markup, as tags and ids come from outside. */
(async () => {
  const ROW = 18, TOP = 24, AFTER = 96, PART = 4;
  const PHASES = ["wait", "send", "solve", "take"];
  const by = (id) => document.getElementById(id);
  const bytes = Uint8Array.from(atob(by("data").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(stream).text());
  const count = data.name.length, unit = data.unit;

  /* Moments of all tasks in units from the beginning; NaN for what is to come. */
  const queued = new Float64Array(count), last = new Float64Array(count);
  const at = PHASES.map(() => new Float64Array(count));
  const looks = new Array(count);
  for (let n = 0, base = 0, place = 0; n < count; n += 1) {
    queued[n] = base += data.queued[n];
    const submitted = base + data.submitted[n];
    const accepted = data.accepted[n] < 0 ? NaN : submitted + data.accepted[n];
    const start = accepted || submitted;
    const ended = data.ended[n] < 0 ? NaN : start + data.ended[n];
    const taken = data.taken[n] < 0 ? NaN : (ended || submitted) + data.taken[n];
    [submitted, accepted, ended, taken].forEach((moment, phase) => { at[phase][n] = moment; });
    const own = [];
    for (let m = start, left = data.seen[n]; left > 0; left -= 1) own.push(m += data.looked[place++]);
    looks[n] = own;
    last[n] = [submitted, accepted, ended, taken, ...own.slice(-1)]
      .reduce((most, moment) => (moment > most ? moment : most));
  }
  const error = (n) => data.errors[data.error[n]];
  const state = (n) => data.states[data.state[n]];
  const open = (n) => Number.isNaN(at[2][n]);
  const part = (phase, n) => {
    let low = queued[n];
    for (let p = 0; p < phase; p += 1) if (at[p][n] > low) low = at[p][n];
    return [low, at[phase][n]];
  };
  const length = (phase) => (n) => { const [low, high] = part(phase, n); return high - low || 0; };
  const texts = data.name.map((name, n) => `${name}\n${data.id[n]}`.toLowerCase());
  const isId = (wanted, n) => wanted.length > data.cut && data.id[n].length === data.cut
    && wanted.startsWith(data.id[n].toLowerCase());

  /* Words. */
  const seconds = (units) => {
    const value = units * unit;
    if (!value) return "0 s";
    if (value < 0.9995) return `${+(value * 1000).toPrecision(3)} ms`;
    if (value < 120) return `${+value.toPrecision(3)} s`;
    const [big, small, one, two] = value < 7200 ? [60, 1, "min", "s"] : [3600, 60, "h", "min"];
    const whole = Math.floor(Math.round(value / small) / (big / small));
    const rest = Math.round(value / small) % (big / small);
    return rest ? `${whole} ${one} ${rest} ${two}` : `${whole} ${one}`;
  };
  const clock = (units, exact) => {
    const local = new Date((data.begin + units * unit + data.offset) * 1000);
    return Number.isNaN(+local) ? "?" : local.toISOString().slice(11, exact ? 23 : 19);
  };
  const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

  /* Choice and order. */
  const ORDERS = {
    slowest: (n) => last[n] - queued[n], wait: length(0), solve: length(2), take: length(3),
    looks: (n) => data.looks[n], first: (n) => -queued[n],
  };
  const SHOWN = {
    all: () => true, failed: (n) => error(n) !== "", open,
    left: (n) => !open(n) && Number.isNaN(at[3][n]),
  };
  let rows = [], chosen = -1, hovered = -1;
  const choose = () => {
    const wanted = by("find").value.trim().toLowerCase();
    const test = SHOWN[by("show").value], account = +by("account").value;
    rows = [];
    for (let n = 0; n < count; n += 1) {
      if (test(n) && (account < 0 || data.account[n] === account)
        && (!wanted || texts[n].includes(wanted) || isId(wanted, n))) rows.push(n);
    }
    const rank = ORDERS[by("order").value], ranks = new Float64Array(count);
    for (const n of rows) ranks[n] = rank(n);
    rows.sort((a, b) => ranks[b] - ranks[a] || a - b);
    by("count").textContent = rows.length === count ? plural(count, "task")
      : `${rows.length.toLocaleString("en")} of ${plural(count, "task")}`;
    scroll.scrollTop = 0;
    by("space").style.height = `${Math.max(0, rows.length * ROW + TOP - scroll.clientHeight)}px`;
    hovered = -1;
    select(rows.length ? rows[0] : -1);
  };

  /* Drawing: the rows in view, on one canvas that stays where it is while the list moves. */
  const scroll = by("scroll"), canvas = by("canvas"), pen = canvas.getContext("2d");
  let colours = {}, waiting = false, names = 190;
  const paint = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of [...PHASES, "bad", "ink", "soft", "grid", "over", "look"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    redraw();
  };
  const redraw = () => {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); }
  };
  const fitted = (text, wide) => {
    if (pen.measureText(text).width <= wide) return text;
    let low = 0, high = text.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pen.measureText(`…${text.slice(middle)}`).width <= wide) high = middle;
      else low = middle + 1;
    }
    return `…${text.slice(low)}`;
  };
  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120,
    300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const stepOf = (wide) => (STEPS.find((step) => step >= wide * unit) || 864000) / unit;
  const view = () => {
    const first = Math.floor(scroll.scrollTop / ROW);
    return [first, rows.slice(first, first + Math.ceil((scroll.clientHeight - TOP) / ROW) + 1)];
  };
  const draw = () => {
    const wide = scroll.clientWidth, high = scroll.clientHeight, dots = devicePixelRatio || 1;
    if (canvas.width !== Math.round(wide * dots) || canvas.height !== Math.round(high * dots)) {
      canvas.width = Math.round(wide * dots); canvas.height = Math.round(high * dots);
      canvas.style.width = `${wide}px`; canvas.style.height = `${high}px`;
    }
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const [first, seen] = view(), right = wide - AFTER, onClock = by("align").value === "clock";
    if (!seen.length) return;
    let low = 0, span = 0;
    if (onClock) low = seen.reduce((least, n) => Math.min(least, queued[n]), Infinity);
    for (const n of seen) span = Math.max(span, last[n] - (onClock ? low : queued[n]));
    span = Math.max(span, 0.001 / unit);
    names = Math.min(190, wide / 3);
    const step = stepOf(span / Math.max(2, Math.min(8, (right - names) / 90)));
    span = Math.ceil(span / step - 1e-9) * step;
    const scale = (right - names) / span;
    const x = (units, n) => names + (units - (onClock ? low : queued[n])) * scale;
    const shift = scroll.scrollTop - first * ROW;
    const zero = onClock
      ? Math.ceil((data.begin + low * unit + data.offset) / (step * unit)) * step
        - (data.begin + data.offset) / unit - low : 0;
    const places = [];
    for (let units = zero; units <= span * 1.0001; units += step) places.push(units);
    pen.fillStyle = colours.grid;
    for (const units of places) pen.fillRect(names + units * scale, TOP, 1, high);
    seen.forEach((n, place) => drawRow(n, TOP + place * ROW - shift, x, wide));
    pen.clearRect(0, 0, wide, TOP);
    pen.fillStyle = colours.soft;
    pen.textAlign = "center";
    for (const units of places) {
      pen.fillText(onClock ? clock(low + units, step * unit < 1) : units ? seconds(units) : "0",
        names + units * scale, TOP / 2);
    }
  };
  const drawRow = (n, top, x, wide) => {
    if (n === chosen || n === hovered) {
      pen.fillStyle = colours.over;
      pen.fillRect(0, top, wide, ROW);
    }
    pen.fillStyle = colours.ink;
    pen.textAlign = "right";
    pen.fillText(fitted(data.name[n], names - 14), names - 8, top + ROW / 2);
    PHASES.forEach((phase, number) => {
      const [low, high] = part(number, n);
      if (!(high > low)) return;
      pen.fillStyle = colours[phase];
      pen.fillRect(x(low, n), top + PART, Math.max(0.8, x(high, n) - x(low, n)), ROW - 2 * PART);
    });
    pen.fillStyle = colours.look;
    for (const moment of looks[n]) pen.fillRect(x(moment, n) - 0.75, top + PART, 1.5, ROW - 2 * PART);
    pen.fillStyle = error(n) ? colours.bad : colours.soft;
    pen.textAlign = "left";
    const name = error(n).split(" ")[0];
    const end = `${seconds(last[n] - queued[n])}${name ? ` ${name}` : open(n) ? " …" : ""}`;
    pen.fillText(end, Math.min(x(last[n], n) + 6, wide - pen.measureText(end).width - 4), top + ROW / 2);
  };

  /* Why one took so long. */
  const WHAT = {
    wait: "waiting to be sent", send: "submit and its reply", solve: "solving",
    take: "waiting for its reader",
  };
  const closedFor = (n) => {
    const [low, high] = part(0, n), spans = data.closed[data.accounts[data.account[n]]] || [];
    return spans.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, high) - Math.max(a, low)), 0);
  };
  const remarks = {
    wait: (n) => { const closed = closedFor(n); return closed ? `no slot: its account's gate was closed for ${seconds(closed)} of it` : ""; },
    send: () => "",
    solve: (n) => {
      const base = at[1][n] || at[0][n], own = looks[n];
      if (!own.length) return data.looks[n] ? plural(data.looks[n], "look") : "";
      const dropped = data.looks[n] - own.length;
      const moments = own.slice(-12).map((moment) => seconds(moment - base));
      const more = own.length > 12 || dropped > 0 ? "… " : "";
      const gap = own.length > 1 ? `; the last came ${seconds(own[own.length - 1] - own[own.length - 2])} after the one before` : "";
      return `${plural(data.looks[n], "look")}, after ${more}${moments.join(", ")}${gap}`;
    },
    take: () => "the answer was there",
  };
  const say = (name, text, into, kind) => {
    const one = document.createElement(name);
    one.textContent = text;
    if (kind) one.className = kind;
    into.append(one);
    return one;
  };
  const explain = (n) => {
    const box = by("why");
    box.replaceChildren();
    if (n < 0) { say("p", "No task is found.", box, "hint"); return; }
    const parts = PHASES.map((phase, number) => [phase, ...part(number, n)])
      .filter(([, low, high]) => high >= low);
    const most = parts.reduce((a, b) => (b[2] - b[1] > a[2] - a[1] ? b : a));
    const whole = last[n] - queued[n];
    const share = whole ? Math.round(100 * (most[2] - most[1]) / whole) : 0;
    say("h3", data.name[n], box);
    say("p", open(n) ? `Under way; ${seconds(whole)} to the last that is known of it.`
      : `${seconds(whole)}, ${share} % of it ${WHAT[most[0]]}.`, box);
    if (error(n)) say("p", error(n), box, "bad");
    const table = say("table", "", box);
    for (const [phase, low, high] of parts) {
      const row = say("tr", "", table);
      const key = say("td", "", row);
      say("span", "", key, `key ${phase}`);
      say("th", WHAT[phase], row).scope = "row";
      say("td", seconds(high - low), row, "number");
      say("td", `${clock(low, true)} to ${clock(high, true)}`, row, "number");
      say("td", remarks[phase](n), row);
    }
    const id = data.id[n] ? `id ${data.id[n]}, ` : "";
    say("p", `${id}${data.kinds[data.kind[n]]} at ${data.accounts[data.account[n]]}, ${state(n)}${
      !open(n) && Number.isNaN(at[3][n]) ? ", not taken" : ""}`, box, "hint");
  };
  const select = (n) => { chosen = n; explain(n); redraw(); };

  /* Hands. */
  const under = (event) => {
    const high = event.clientY - scroll.getBoundingClientRect().top;
    const place = Math.floor((high - TOP + scroll.scrollTop) / ROW);
    return high >= TOP && place < rows.length ? rows[place] : -1;
  };
  scroll.addEventListener("scroll", redraw, { passive: true });
  scroll.addEventListener("mousemove", (event) => { hovered = under(event); redraw(); });
  scroll.addEventListener("mouseleave", () => { hovered = -1; redraw(); });
  scroll.addEventListener("click", (event) => { const n = under(event); if (n >= 0) select(n); });
  scroll.addEventListener("keydown", (event) => {
    const page = Math.floor((scroll.clientHeight - TOP) / ROW);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count };
    const move = moves[event.key];
    if (!move || !rows.length) return;
    event.preventDefault();
    const place = Math.min(Math.max(rows.indexOf(chosen) + move, 0), rows.length - 1);
    const top = place * ROW, room = scroll.clientHeight - TOP - ROW;
    scroll.scrollTop = Math.min(Math.max(scroll.scrollTop, top - room), top);
    select(rows[place]);
  });
  by("find").addEventListener("input", choose);
  for (const id of ["show", "account", "order"]) by(id).addEventListener("change", choose);
  by("align").addEventListener("change", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  data.accounts.forEach((name, number) => { say("option", name, by("account")).value = number; });
  by("account").hidden = data.accounts.length < 2;

  by("browse").hidden = false;
  by("slowest").open = false;
  paint();
  choose();
  new ResizeObserver(() => { redraw(); }).observe(scroll);
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("ready")));
})();
