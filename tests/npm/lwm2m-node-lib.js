// SPDX-License-Identifier: Apache-2.0
//
// lwm2m-node-lib.js PORT ID VERSION OUT: a device on lwm2m-node-lib (LwM2M 1.0, plain coap, text
// only), up to its next reboot: registers, updates its registration from another port each time, is
// observed, pulls what /5/0/1 says into OUT, and ends when it is told to apply that. RESULT is what
// its boot loader left in /5/0/5.
"use strict";

const coap = require("coap");
const fs = require("fs");
const lwm2m = require("lwm2m-node-lib").client;
const config = require("lwm2m-node-lib/config").client;

const [port, id, version, out] = process.argv.slice(2);
const registry = lwm2m.registry;
const format = { name: "lightweightm2m/text", value: 1541 };

function say(...words) {
	console.log(words.join(" "));
}

function set(object, resource, value) {
	return new Promise((done, fail) => {
		registry.setResource(object, resource, value, (err) => (err ? fail(err) : done()));
	});
}

function create(object) {
	return new Promise((done, fail) => {
		registry.create(object, (err) => (err ? fail(err) : done()));
	});
}

function pull(uri) {
	say("pull", uri);
	const url = new URL(uri.replace("coap:", "http:"));
	const req = coap.request({ hostname: url.hostname, port: url.port, pathname: url.pathname,
		query: url.search.slice(1) });
	set("/5/0", "3", "1");
	req.on("response", (res) => {
		if (res.code !== "2.05") {
			say("answer", res.code);
			set("/5/0", "5", "4").then(() => set("/5/0", "3", "0"));
			return;
		}
		fs.writeFileSync(out, res.payload);
		say("downloaded", res.payload.length);
		set("/5/0", "3", "2");
	});
	req.on("error", (err) => {
		say("pull failed", err);
		set("/5/0", "5", "4").then(() => set("/5/0", "3", "0"));
	});
	req.end();
}

function written(type, instance, resource, value, done) {
	say("write", type, instance, resource);
	if (type === "5" && resource === "1" && String(value).length > 1)
		pull(String(value));
	else if (type === "5")
		set("/5/0", "3", "0").then(() => set("/5/0", "5", "0"));
	done(null);
}

function executed(type, instance, resource, value, done) {
	say("execute", type, instance, resource);
	done(null);
	set("/5/0", "3", "3").then(() => setTimeout(() => {
		say("reboot");
		process.exit(0);
	}, 300));
}

function listens(info) {
	lwm2m.setHandler(info.serverInfo, "write", written);
	lwm2m.setHandler(info.serverInfo, "execute", executed);
}

function update(info) {
	lwm2m.update(info, (err) => {
		say("update", err ? err.message : "ok");
		if (!err)
			listens(info);
		else
			register();
	});
}

function register() {
	lwm2m.register("127.0.0.1", port, "", id, (err, info) => {
		if (err) {
			say("failed", err.message);
			process.exit(1);
		}
		say("registered", info.location);
		listens(info);
		setTimeout(() => update(info), 5000);
	});
}

lwm2m.init({ client: { ...config, lifetime: "60", logLevel: process.env.LWLOG || "FATAL", formats: [format],
	writeFormat: format.name } });
(async () => {
	await create("/3/0");
	await set("/3/0", "0", "npm");
	await set("/3/0", "3", version);
	await create("/5/0");
	for (const [resource, value] of [["3", "0"], ["5", process.env.RESULT || "0"], ["9", "2"]])
		await set("/5/0", resource, value);
	register();
})();
