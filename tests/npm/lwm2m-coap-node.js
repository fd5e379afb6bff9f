// SPDX-License-Identifier: Apache-2.0
//
// lwm2m-coap-node.js PORT ID VERSION OUT: a device on coap-node (LwM2M 1.0, plain coap, TLV and
// JSON), up to its next reboot: registers, is observed, pulls what /5/0/1 says into OUT, and ends
// when it is told to apply that. RESULT is what its boot loader left in /5/0/5.
"use strict";
const coap = require("coap");
const fs = require("node:fs");
const CoapNode = require("coap-node");
const SmartObject = require("smartobject");

const [port, id, version, out] = process.argv.slice(2);
const so = new SmartObject();
let node;

function pull(uri) {
	const url = new URL(uri.replace("coap:", "http:"));
	const req = coap.request({ hostname: url.hostname, port: url.port, pathname: url.pathname,
		query: url.search.slice(1) });
	const ended = (result, state) => {
		console.log(`pulled ${result}`);
		so.write(5, 0, 5, result, () => so.write(5, 0, 3, state, () => {}));
	};
	so.write(5, 0, 3, 1, () => {});
	req.on("response", (res) => {
		if (res.code === "2.05")
			fs.writeFileSync(out, res.payload);
		ended(res.code === "2.05" ? 0 : 4, res.code === "2.05" ? 2 : 0);
	});
	req.on("error", () => ended(4, 0));
	req.end();
}

function uriWritten(value, done) {
	done(null, value);
	if (value)
		pull(String(value));
	else
		so.write(5, 0, 3, 0, () => {});
}

function execute(done) {
	console.log("execute");
	done(null);
	so.write(5, 0, 3, 3, () => setTimeout(() => {
		console.log("reboot");
		process.exit(0);
	}, 300));
}

so.init(5, 0, {
	0: { write: (value, done) => done(null, value) },
	1: { write: uriWritten },
	2: { exec: execute },
	3: 0,
	5: Number(process.env.RESULT || 0),
	9: 0,
});
node = new CoapNode(id, so, { firmware: version, lifetime: 60, version: "1.0" });
node.on("error", (err) => console.log(`error ${err.message}`));
node.on("registered", () => console.log("registered"));
node.register("127.0.0.1", port, (err, msg) => {
	console.log(err ? `failed ${err.message}` : `status ${msg.status}`);
	setInterval(() => node.update({}, (e, m) => console.log(`update ${e ? e.message : m.status}`)), 5000);
});
