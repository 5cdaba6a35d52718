// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
// What `pinleak inspect` tells of an accused driver, beside its verdict. Used by app.js, with its words
// for texts; all of it is text here, too.
"use strict";

const LOG_LINES = 100; // shown; the others are counted

let inspectNow = null; // the time of what is shown, so that what was opened stays open

const plain = (parts) => parts.filter(Boolean).join(", ");
const amount = (n, inBytes) => n === null ? "unknown" : typeof n === "string" ? n : inBytes ? bytes(n) : count(n);

function limitText(l) {
	const inBytes = l.limit !== "dma_entry_limit";
	return `${l.limit}${l.of ? ` of ${l.of}` : ""}${l.pid ? ` (${l.pid})` : ""}: ` +
		`${amount(l.used, inBytes)} used of ${amount(l.allowed, inBytes)}${l.binds ? "" : ", does not bind here"}`;
}

function packageText(p) {
	if (!p) return null;
	return `${p.name} ${p.installed ?? ""}${p.available && p.available !== p.installed ? `; to be had: ${p.available}` : ""}`;
}

function identityRows(o) {
	const id = o.identity, log = o.log;
	const origin = id.intree === null ? null : id.intree ? "of the kernel's tree" : "out of tree";
	const sign = id.signature && (id.signature.signed ? `signed by ${id.signature.signer ?? "unknown"}` : "not signed");
	const rows = [
		["Driver", plain([id.kind, id.loaded ? "loaded" : id.kind === "module" && "not loaded", id.version && `version ${id.version}`, origin, sign])],
		["What it is", id.description],
		["File", id.file && `${id.file}${id.file_differs ? ": not what is loaded" : ""}`, id.file_differs ? "warning" : ""],
		["Package", packageText(id.package)],
		["Kernel", packageText(id.kernel_package)],
		["Log", log ? `${count(log.errors)} errors, ${count(log.warnings)} warnings, ${count(log.others)} other lines` : "could not be read",
			log && log.errors ? "critical" : log && log.warnings ? "warning" : ""],
		["Hit first", o.first_limit && limitText(o.first_limit)],
	];
	return rows.filter((row) => row[1]);
}

function logLine(l) {
	const again = l.count > 1 ? ` (${count(l.count)} times, last at ${l.last_s.toFixed(6)})` : "";
	return `[${l.first_s.toFixed(6).padStart(12)}] ${l.level}: ${l.text ?? ""}${again}`;
}

function paramLine(p) {
	const initial = p.default === null ? "default not known" : p.differs ? `default ${p.default}` : "the default";
	return [`${p.name} = ${p.value ?? "not shown"} (${initial})${p.fault ? `: ${p.fault}` : ""}`, p.fault ? "warning" : ""];
}

const settingLine = (s) =>
	[`${s.name}${s.value === null ? "" : ` = ${s.value}`}, set by ${s.by}` +
		`${s.unknown ? ": there is no such parameter" : s.fault ? `: ${s.fault}` : ""}`, s.unknown || s.fault ? "warning" : ""];

function deviceLine(d) {
	return [plain([d.name, d.driver ? `driver ${d.driver}` : "no driver of its own", d.bus && `bus ${d.bus}`, d.nodes.map((n) => `/dev/${n}`).join(", "),
		d.iommu_group && `IOMMU group ${d.iommu_group}${d.iommu_type ? ` of type ${d.iommu_type}` : ""}`,
		d.dma_mask_bits !== null && `DMA mask ${d.dma_mask_bits} bits`, d.numa_node !== null && `NUMA node ${d.numa_node}`,
		d.runtime_status, d.power_state, d.guess && "its driver is a guess by its name",
		...d.neighbours.map((n) => `${n.relation}: ${n.name} (${n.driver})`)])];
}

const processLine = (p) => [`${p.comm ?? "unknown"} (pid ${p.pid}): /dev/${p.node}, ${count(p.files)} times; VmLck ${amount(p.locked, true)}, ` +
	`VmPin ${amount(p.pinned, true)}, RLIMIT_MEMLOCK ${amount(p.memlock_soft, true)}${p.exempt ? " (does not bind)" : ""}`];

// A part that opens and closes; rows: [text, class].
function part(name, rows, open) {
	const e = make("details"), list = make("ul");
	e.open = open;
	list.append(...rows.map(([text, look]) => make("li", text, look)));
	e.append(make("summary", `${name}: ${count(rows.length)}`), list);
	return rows.length ? [e] : [];
}

function logPart(log) {
	if (!log || !log.lines.length) return [];
	const e = make("details"), left = log.lines.length - LOG_LINES;
	const lines = log.lines.slice(0, LOG_LINES).map(logLine);
	if (left > 0) lines.push(`and ${count(left)} more: pinleak inspect`);
	const text = make("pre", lines.join("\n"));
	text.tabIndex = 0; // it scrolls
	e.open = log.errors + log.warnings > 0;
	e.append(make("summary", `Lines of the kernel's log: ${count(log.lines.length)}`), text);
	return [e];
}

function inspectParts(o) {
	const odd = (p) => p.fault || p.differs;
	return [
		...logPart(o.log),
		...part("Parameters that are not as usual", [...o.parameters.filter(odd).map(paramLine), ...o.settings.map(settingLine)], true),
		...part("Other parameters", o.parameters.filter((p) => !odd(p)).map(paramLine), false),
		...part("Devices", o.devices.map(deviceLine), false),
		...part("Processes that have it open", o.processes.map(processLine), false),
		...part("Limits", o.limits.map((l) => [limitText(l)]), false),
		...part("Not seen", o.not_seen.map((n) => [`${n.part}: ${n.why}`]), false),
	];
}

// o: null when there is none.
function showInspect(o, v) {
	const now = `${v.driver.name} ${o ? o.time : ""}`;
	if (now === inspectNow) return;
	inspectNow = now;
	const command = v.driver.name === null ? "" : `pinleak inspect ${v.driver.name}`;
	$("inspect-when").textContent = o
		? `Looked at on ${clock(Date.parse(o.time), true)}, in ${o.seconds.toFixed(2)} s. Anew: ${command}`
		: `It has not been looked at.${command && ` On this machine: ${command}`}`;
	describe($("inspect-facts"), o ? identityRows(o) : []);
	$("inspect-parts").replaceChildren(...(o ? inspectParts(o) : []));
}
