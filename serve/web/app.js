// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
// The page. What comes from the server is text, whatever it looks like: it is shown by textContent
// and attributes only. Everything is read with fetch(), as an EventSource could not send the token.
"use strict";

const PAGE_BYTES = 4096; // of a pin, at least
const COLOURS = 8; // c0 to c7; c8 is for all others
const RETRY_MS = 3000;
const PROCESSES = 4; // of a verdict, that are shown
const LONG = 40; // characters of a row that gets the whole width
const $ = (id) => document.getElementById(id);

const state = {
	token: "",
	lastEvent: null,
	status: null,
	points: [], // {t, last, low, high, drivers: [{driver, bytes}]}, oldest first
	drivers: [], // of the last look at the books
	incidents: new Map(), // id -> row
	chosen: null, // id of the incident that is shown
	view: { from: 0, to: 0, span: 300000, follows: true },
};

// ---- texts -----------------------------------------------------------------------------------

function make(tag, text, name) {
	const e = document.createElement(tag);
	if (text !== undefined) e.textContent = text;
	if (name) e.className = name;
	return e;
}

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	while (Math.abs(n) >= 1024 && i < units.length - 1) {
		n /= 1024;
		i++;
	}
	return `${i && Math.abs(n) < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const count = (n) => n.toLocaleString("en");
const clock = (ms, day) => new Date(ms).toLocaleString([], day
	? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }
	: { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const named = (driver) => driver === null ? "unknown" : driver;

function duration(s) {
	for (const [unit, size] of [["days", 86400], ["h", 3600], ["min", 60]])
		if (s >= 2 * size) return `${(s / size).toFixed(1)} ${unit}`;
	return `${Math.round(s)} s`;
}

// Rows of a description list: [name, text, class].
function describe(list, rows) {
	list.replaceChildren(...rows.map(([name, text, look]) => {
		const row = make("div", undefined, text.length > LONG ? "long" : "");
		row.append(make("dt", name), make("dd", text, look));
		return row;
	}));
}

// ---- reading ---------------------------------------------------------------------------------

let tokenGiven = () => {}; // tells who waits for one

function askToken() {
	const form = $("token-form");
	if (!form.hidden) return;
	form.hidden = false;
	$("token").focus();
}

$("token-form").onsubmit = (e) => {
	e.preventDefault();
	state.token = $("token").value.trim();
	tokenGiven();
};

async function read(path, headers = {}) {
	if (state.token) headers.Authorization = `Bearer ${state.token}`;
	const r = await fetch(path, { headers, cache: "no-store" });
	if (r.status === 401) {
		askToken();
		throw new Error(state.token ? "this token is not the server's" : "a token is needed");
	}
	if (!r.ok) throw new Error(`${path}: status ${r.status}`);
	$("token-form").hidden = true;
	return r;
}

const get = async (path) => {
	const r = await read(path);
	return r.status === 204 ? null : r.json();
};

function say(text, lost) {
	const live = $("live");
	if (live.textContent !== text) live.textContent = text;
	live.className = lost ? "lost" : "";
}

// ---- the chart -------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text) {
	const e = document.createElementNS(SVG, tag);
	for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
	if (text !== undefined) e.textContent = text;
	return e;
}

// The drivers of what is shown, most bytes first; all beyond the colours are one.
function ranked(points) {
	const most = new Map();
	for (const p of points)
		for (const d of p.drivers)
			most.set(named(d.driver), Math.max(most.get(named(d.driver)) || 0, d.bytes));
	return [...most.keys()].sort((a, b) => most.get(b) - most.get(a));
}

function shown() {
	const { from, to } = state.view;
	const inside = state.points.filter((p) => p.t >= from && p.t <= to);
	const before = state.points.findLast((p) => p.t < from);
	return before ? [before, ...inside] : inside;
}

// A round step so that there are four lines or so.
function step(range) {
	const raw = range / 4, power = 2 ** Math.floor(Math.log2(Math.max(raw, 1)));
	return raw > power * 1.5 ? power * 2 : power;
}

function axes(svg, scale, box) {
	const size = step(scale.high - scale.low);
	for (let v = Math.ceil(scale.low / size) * size; v <= scale.high; v += size) {
		const y = scale.y(v);
		svg.append(draw("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
			draw("text", { x: box.left - 6, y: y + 4, "text-anchor": "end" }, bytes(v)));
	}
	const ticks = box.right - box.left < 480 ? 2 : 4;
	for (let i = 0; i <= ticks; i++) {
		const t = state.view.from + (state.view.to - state.view.from) * i / ticks;
		const anchor = i === 0 ? "start" : i === ticks ? "end" : "middle";
		svg.append(draw("text", { x: scale.x(t), y: box.bottom + 18, "text-anchor": anchor },
			clock(t, state.view.span > 43200000)));
	}
}

const path = (list) => list.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

function areas(svg, points, scale, names) {
	const base = points.map(() => 0);
	names.slice(0, COLOURS).concat(names.length > COLOURS ? [null] : []).forEach((name, c) => {
		const top = points.map((p, i) => base[i] + p.drivers
			.filter((d) => name === null ? names.indexOf(named(d.driver)) >= COLOURS : named(d.driver) === name)
			.reduce((sum, d) => sum + d.bytes, 0));
		const up = points.map((p, i) => [scale.x(p.t), scale.y(top[i])]);
		const down = points.map((p, i) => [scale.x(p.t), scale.y(base[i])]).reverse();
		svg.append(draw("path", { class: `area c${c}`, d: `${path([...up, ...down])}Z` }));
		top.forEach((v, i) => { base[i] = v; });
	});
}

function lines(svg, points, scale) {
	const at = (p, v) => [scale.x(p.t), scale.y(v * PAGE_BYTES)];
	if (points.some((p) => p.low !== p.high))
		svg.append(draw("path", { class: "band", d: `${path([...points.map((p) => at(p, p.high)),
			...points.map((p) => at(p, p.low)).reverse()])}Z` }));
	svg.append(draw("path", { class: "pins", d: path(points.map((p) => at(p, p.last))) }));
}

function marks(svg, scale, box) {
	let row = 0;
	for (const i of state.incidents.values()) {
		const t = Date.parse(i.first);
		if (t < state.view.from || t > state.view.to) continue;
		const x = scale.x(t), right = x > (box.left + box.right) / 2;
		svg.append(draw("line", { class: "mark", x1: x, x2: x, y1: box.top, y2: box.bottom }),
			draw("text", { class: "mark-name", x: x + (right ? -5 : 5), y: box.top + 12 + 15 * (row++ % 4),
				"text-anchor": right ? "end" : "start" }, named(i.driver).slice(0, 24)));
	}
}

function scales(points, box) {
	let low = 0, high = 64 * 1024;
	for (const p of points) {
		low = Math.min(low, p.low * PAGE_BYTES);
		high = Math.max(high, p.high * PAGE_BYTES, p.drivers.reduce((sum, d) => sum + d.bytes, 0));
	}
	high += (high - low) * 0.08;
	const { from, to } = state.view;
	return {
		low, high,
		x: (t) => box.left + (box.right - box.left) * (t - from) / (to - from),
		y: (v) => box.bottom - (box.bottom - box.top) * (v - low) / (high - low),
		t: (x) => from + (to - from) * (x - box.left) / (box.right - box.left),
	};
}

let scaleNow = null;

function drawChart() {
	const chart = $("chart"), width = chart.clientWidth, height = chart.clientHeight;
	if (state.view.follows) {
		state.view.to = state.points.length ? state.points.at(-1).t : Date.now();
		state.view.from = state.view.to - state.view.span;
	}
	const points = shown(), box = { left: 76, right: width - 8, top: 6, bottom: height - 26 };
	const scale = scales(points, box), names = ranked(points);
	const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
	const clip = draw("clipPath", { id: "inside" });
	const inside = draw("g", { "clip-path": "url(#inside)" });
	clip.append(draw("rect", { x: box.left, y: box.top, width: Math.max(0, box.right - box.left), height: box.bottom - box.top }));
	axes(svg, scale, box);
	if (points.length) {
		areas(inside, points, scale, names);
		lines(inside, points, scale);
	}
	marks(inside, scale, box);
	svg.append(clip, inside);
	chart.replaceChildren(svg);
	scaleNow = { ...scale, box };
	const last = points.at(-1);
	chart.setAttribute("aria-label", last ? `${count(last.last)} pins outstanding at ${clock(last.t)}` : "nothing yet");
	drawLegend(names);
}

let legendNow = "";

function drawLegend(names) {
	if (legendNow === names.join("\n") + state.incidents.size) return;
	legendNow = names.join("\n") + state.incidents.size;
	const rows = names.slice(0, COLOURS).map((name, c) => [`swatch c${c}`, name]);
	if (names.length > COLOURS) rows.push([`swatch c${COLOURS}`, "others"]);
	rows.push(["swatch ink", "pins by the kernel's counters, at 4 KiB each"]);
	if (state.incidents.size) rows.push(["swatch mark", "first verdict"]);
	$("legend").replaceChildren(...rows.map(([look, text]) => {
		const row = make("li");
		row.append(make("span", "", look), text);
		return row;
	}));
}

let planned = false;

function plan() { // many events, one picture
	if (planned) return;
	planned = true;
	requestAnimationFrame(() => {
		planned = false;
		drawChart();
	});
}

// ---- moving about in it ----------------------------------------------------------------------

async function look(from, to, follows) {
	const span = Math.min(Math.max(to - from, 5000), 7776000000);
	state.view = { from: to - span, to, span, follows };
	for (const b of document.querySelectorAll("[data-seconds]"))
		b.setAttribute("aria-pressed", String(follows && Number(b.dataset.seconds) * 1000 === span));
	plan();
	await fetchPoints();
}

const newest = () => state.points.length ? state.points.at(-1).t : Date.now();

function zoom(factor) {
	const { from, to, follows } = state.view, middle = (from + to) / 2, half = (to - from) / 2 * factor;
	return follows ? look(to - 2 * half, to, true) : look(middle - half, Math.min(middle + half, newest()), false);
}

function pan(part) {
	const { from, to } = state.view, by = (to - from) * part;
	const end = Math.min(to + by, newest());
	return look(end - (to - from), end, end >= newest());
}

const keys = {
	ArrowLeft: () => pan(-0.25),
	ArrowRight: () => pan(0.25),
	"+": () => zoom(0.5),
	"=": () => zoom(0.5),
	"-": () => zoom(2),
	Home: () => look(newest() - state.view.span, newest(), true),
};

function startMoving() {
	const chart = $("chart");
	let begin = null, choice = null;
	const at = (e) => Math.min(Math.max(e.clientX - chart.getBoundingClientRect().left, scaleNow.box.left), scaleNow.box.right);
	chart.addEventListener("keydown", (e) => {
		if (!keys[e.key] || e.ctrlKey || e.altKey || e.metaKey) return;
		e.preventDefault();
		keys[e.key]().catch(fail);
	});
	chart.addEventListener("pointerdown", (e) => {
		if (!scaleNow || e.button) return;
		begin = { x: at(e), t: scaleNow.t(at(e)) };
		chart.setPointerCapture(e.pointerId);
	});
	chart.addEventListener("pointermove", (e) => {
		if (!begin) return;
		const x = at(e), { top, bottom } = scaleNow.box;
		if (choice) choice.remove();
		choice = draw("rect", { class: "choice", x: Math.min(x, begin.x), y: top, width: Math.abs(x - begin.x), height: bottom - top });
		chart.firstChild.append(choice);
	});
	chart.addEventListener("pointerup", (e) => {
		const one = begin && begin.t, x = begin && at(e), other = begin && scaleNow.t(x);
		const wide = begin && Math.abs(x - begin.x) > 8;
		begin = null;
		if (choice) choice.remove();
		if (wide) look(Math.min(one, other), Math.max(one, other), false).catch(fail);
	});
	chart.addEventListener("pointercancel", () => { begin = null; });
	$("ranges").addEventListener("click", (e) => {
		const b = e.target.closest("button");
		if (!b) return;
		if (b.dataset.seconds) look(newest() - b.dataset.seconds * 1000, newest(), true).catch(fail);
		else if (b.dataset.zoom) zoom(Number(b.dataset.zoom)).catch(fail);
		else keys.Home().catch(fail);
	});
	new ResizeObserver(plan).observe(chart);
}

// ---- facts -----------------------------------------------------------------------------------

function showFacts() {
	const s = state.status, last = state.points.at(-1);
	if (!s) return;
	const held = state.drivers.reduce((sum, d) => sum + d.bytes, 0);
	describe($("facts"), [
		["Pins outstanding", count(last ? last.last : s.outstanding)],
		["Level of tracking", s.tracking_refused ? `${s.level}; more cannot be had` : s.level, s.tracking_refused ? "warning" : ""],
		["Unmovable, tracked", s.level === "counters" ? "not tracked now" : bytes(held)],
		["Memory available", `${bytes(s.memory_available)} of ${bytes(s.memory_total)}`],
		["Suspicions", count(s.suspicions)],
	]);
	$("host").textContent = `on ${s.host}, kernel ${s.kernel}`;
	document.title = state.incidents.size ? `(${state.incidents.size}) pinleak ${s.host}` : `pinleak ${s.host}`;
	const lost = Object.entries(s.lost).filter(([name, n]) => n && name !== "pins_repaired");
	$("losses").textContent = lost.length
		? `Lost (error 122): ${lost.map(([name, n]) => `${name.replaceAll("_", " ")} ${count(n)}`).join(", ")}.`
		: "Nothing was lost.";
	$("losses").className = lost.length ? "warning" : "";
	$("cost").textContent = `pinleak ${s.version} has watched since ${clock(Date.parse(s.since), true)}, ` +
		`${count(s.looks)} looks, and used ${s.cost.cpu_seconds.toFixed(1)} s of processor time and ${bytes(s.cost.memory_bytes)}.`;
}

// ---- incidents -------------------------------------------------------------------------------

function showIncidents() {
	const list = $("incidents");
	if (!state.incidents.size) {
		list.replaceChildren(make("li", "None so far."));
		return;
	}
	const focused = document.activeElement && document.activeElement.dataset.incident;
	list.replaceChildren(...[...state.incidents.values()].map((i) => {
		const row = make("li"), b = make("button");
		b.type = "button";
		b.dataset.incident = i.id;
		b.setAttribute("aria-expanded", String(state.chosen === i.id));
		b.append(make("span", `${i.severity}: `, i.severity), make("strong", named(i.driver)),
			` (${i.kind}), ${i.evidence}, ${bytes(i.bytes)}${i.at_rest ? ", at rest" : ""}; since ${clock(Date.parse(i.first), true)}`);
		b.addEventListener("click", () => choose(i.id, true).catch(fail));
		row.append(b);
		return row;
	}));
	if (focused) list.querySelector(`[data-incident="${focused}"]`)?.focus();
}

function verdictRows(v) {
	const p = v.proof;
	const processes = v.processes.slice(0, PROCESSES)
		.map((x) => `${x.comm ?? "unknown"} (pid ${x.pid}, ${x.alive ? "alive" : "gone"})`);
	if (v.processes.length > PROCESSES) processes.push(`${count(v.processes.length - PROCESSES)} more`);
	return [
		["Error", `${v.error.code} (${v.error.hex}) ${v.error.name}`],
		["Severity", v.severity, v.severity],
		["Evidence", v.evidence],
		["Cause", v.cause],
		["Leaked", `${count(v.pins || v.references)} ${v.references ? "plain references" : "pins"} on ${count(v.pages)} folios, ${bytes(v.bytes)}`],
		["Rate", v.rate_bytes_per_s === null ? "not known" : `${bytes(v.rate_bytes_per_s)} a second`],
		["Memory lasts", v.at_rest ? "nothing is added any more" : v.exhaustion_s === null ? "not known" : duration(v.exhaustion_s)],
		["Module", [v.driver.version && `version ${v.driver.version}`, v.driver.srcversion && `srcversion ${v.driver.srcversion}`,
			v.driver.taint && `taint ${v.driver.taint}`, v.driver.via && `through ${v.driver.via}`].filter(Boolean).join(", ") || "nothing is known"],
		["Devices", v.devices.map((d) => d.node).join(", ") || "none known"],
		["Processes", processes.join(", ") || "none known"],
		["Proof", `${count(p.still_pinned)} of ${count(p.reread)} page structures read again were still pinned; level ${p.level}, ` +
			`1 in ${p.sample_rate} pins; unseen ${count(p.missed)}, without an owner ${count(p.unattributed)}` +
			`${p.incomplete ? "; something was lost, there may be more" : ""}`],
	];
}

async function drawFlame(id) {
	const text = await (await read(`/api/v1/incidents/${id}/flame.svg`)).text();
	const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
	if (root.namespaceURI !== SVG || root.localName !== "svg") throw new Error("no flame graph");
	$("flame").replaceChildren(document.importNode(root, true));
}

async function openIncident(id, move) {
	const o = await get(`/api/v1/incidents/${id}`), v = o.verdict;
	$("incident-title").textContent = `${v.driver.kind} ${v.driver.name}${v.driver.guess ? " (a guess by its symbols)" : ""}`;
	describe($("incident-facts"), verdictRows(v));
	$("stacks").replaceChildren(...v.sites.map((s) =>
		make("pre", `${count(s.pins)} pins, ${bytes(s.bytes)}\n${s.stack.map((f) => `  ${f}`).join("\n")}`)));
	showInspect(o.inspect, v);
	$("incident").hidden = false;
	showIncidents();
	await drawFlame(id);
	if (move) {
		$("incident").scrollIntoView();
		$("incident").focus({ preventScroll: true });
	}
}

let opening = Promise.resolve();

// One after the other: else an answer that was overtaken would be what is shown.
function choose(id, move) {
	state.chosen = id;
	opening = opening.catch(() => {}).then(() => openIncident(id, move));
	return opening;
}

async function fetchIncidents() {
	const rows = (await get("/api/v1/incidents")).incidents;
	state.incidents = new Map(rows.map((i) => [i.id, i]));
	$("alarm").textContent = rows.filter((i) => !i.at_rest)
		.map((i) => `Error 729: ${named(i.driver)} ${i.bytes ? `leaks locked pages (${i.evidence}, ${bytes(i.bytes)})` : "releases pins wrongly"}.`).join(" ");
	showIncidents();
	plan();
	if (state.chosen !== null && state.incidents.has(state.chosen)) await choose(state.chosen, false);
}

// ---- what comes ------------------------------------------------------------------------------

async function fetchPoints() {
	const view = state.view, since = Math.max(0, (view.to - view.span * 1.03) / 1000); // to the edge of the chart
	const o = await get(`/api/v1/samples?since=${since.toFixed(3)}`);
	if (view !== state.view && view.span !== state.view.span) return; // another was asked for meanwhile
	state.points = o.samples.map((p) => ({ t: Date.parse(p.time), last: p.outstanding, low: p.low, high: p.high, drivers: p.drivers }));
	plan();
}

async function fetchAll() {
	state.status = await get("/api/v1/status");
	const drivers = await get("/api/v1/drivers");
	state.drivers = drivers && state.status.level !== "counters" ? drivers.drivers : [];
	await look(Date.parse(state.status.time) - state.view.span, Date.parse(state.status.time), true);
	await fetchIncidents();
	showFacts();
}

function onSample(o) {
	const n = o.outstanding, t = Date.parse(o.time);
	if (state.points.length && t < newest() - 2000) return fetchAll(); // the clock was set back
	state.points.push({ t, last: n, low: n, high: n,
		drivers: state.drivers.map((d) => ({ driver: d.driver, bytes: d.bytes })) });
	if (state.points.length > 4000) fetchPoints().catch(fail); // coarser ones again
	if (state.status) {
		state.status.looks++;
		Object.assign(state.status, { level: o.level, memory_available: o.memory_available, memory_total: o.memory_total });
	}
	showFacts();
	plan();
}

const takers = {
	sample: onSample,
	drivers: (o) => { state.drivers = o.drivers; },
	state: (o) => {
		if (o.to === "counters") state.drivers = [];
		return refresh();
	},
	suspicion: () => refresh(),
	loss: () => refresh(),
	verdict: () => fetchIncidents(),
	inspect: () => state.chosen !== null && choose(state.chosen, false),
	gap: () => fetchAll(),
	summary: () => say("the watch has ended", true),
};

async function refresh() {
	state.status = await get("/api/v1/status");
	showFacts();
}

function fail(e) {
	say(`not connected: ${e.message}${$("token-form").hidden ? "; trying again" : ""}`, true);
}

function takeEvent(block) {
	let data = "";
	for (const line of block.split("\n"))
		if (line.startsWith("id: ")) state.lastEvent = line.slice(4);
		else if (line.startsWith("data: ")) data += line.slice(6);
	if (!data) return;
	const o = JSON.parse(data);
	Promise.resolve((takers[o.type] || (() => {}))(o)).catch(fail);
}

async function follow() {
	const r = await read("/api/v1/events", state.lastEvent ? { "Last-Event-ID": state.lastEvent } : {});
	const reader = r.body.getReader(), decoder = new TextDecoder();
	let text = "";
	try {
		await fetchAll();
		say("live");
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			text += decoder.decode(value, { stream: true });
			const blocks = text.split("\n\n");
			text = blocks.pop();
			blocks.forEach(takeEvent);
		}
	} finally {
		reader.cancel().catch(() => {}); // or it would go on to take one of the few places
	}
}

// Never ends: what is lost is taken up again where it was.
async function run() {
	for (;;) {
		try {
			await follow();
			say("the server has ended the connection; trying again", true);
		} catch (e) {
			fail(e);
		}
		await new Promise((resolve) => {
			tokenGiven = resolve;
			if ($("token-form").hidden) setTimeout(resolve, RETRY_MS); // without a token it is no use
		});
	}
}

startMoving();
showIncidents();
run();
