// SPDX-License-Identifier: Apache-2.0
//
// device.js PORT ID KEY IMAGE: a device's life with node-coap-client: report, download, the
// gate, a reboot, and the doorbell until it rings. Prints what it does, one word a line; what
// the server answers is judged by clients.bats and here. IMAGE gets what was downloaded.
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const { CoapClient } = require("node-coap-client");

const [port, id, key, image] = process.argv.slice(2);
const host = "127.0.0.1";
const server = `coaps://${host}:${port}`;
const boots = ["a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2"];

CoapClient.setSecurityParams(host, { psk: { [id]: key } });

// This client gives a datagram up after four retransmissions, and a handshake sooner; every
// exchange may be repeated (postboot-protocol(7)).
async function ask(method, path, body) {
	const payload = body && Buffer.from(JSON.stringify(body));
	for (let left = 8; ; left--) {
		try {
			const limit = new Promise((_, no) => setTimeout(() => no(new Error("too long")), 60000).unref());
			return await Promise.race([CoapClient.request(`${server}/${path}`, method, payload), limit]);
		} catch (e) {
			if (left === 0)
				throw e;
			console.log(`# again: ${method} ${path}: ${e.message}`);
			CoapClient.reset();
		}
	}
}

async function report(boot, version) {
	const answer = await ask("post", "report", { 0: boot, 2: version, 12: "argon", 17: 7 });
	assert.strictEqual(answer.code.toString(), "2.04");
	return JSON.parse(answer.payload.toString());
}

async function status(attempt, state, seq) {
	const answer = await ask("post", "status", { 0: attempt, 1: state, 7: boots[0], 8: seq });
	assert.strictEqual(answer.code.toString(), "2.04");
}

async function life() {
	const offer = await report(boots[0], "1.0.0");
	assert.strictEqual(offer["0"], 2, "an update is offered");
	console.log("offered");

	const got = await ask("get", offer["5"].slice(1));
	assert.strictEqual(got.code.toString(), "2.05");
	fs.writeFileSync(image, got.payload);
	console.log("downloaded");

	await status(offer["1"], 2, 1);
	await status(offer["1"], 3, 2);
	console.log("applying");
	await report(boots[1], "1.1.0");
	console.log(`attempt ${offer["1"]}`);
}

// A notification is one more answer to the same request.
async function doorbell() {
	let rings = 0;
	await new Promise((done, failed) => {
		CoapClient.observe(`${server}/desired`, "get", () => {
			rings++;
			console.log(rings === 1 ? "observing" : "rung");
			if (rings === 2)
				done();
		}).catch(failed);
	});
	CoapClient.stopObserving(`${server}/desired`);
}

life()
	.then(doorbell)
	.then(() => {
		CoapClient.reset();
		process.exit(0);
	})
	.catch((e) => {
		console.log(`failed: ${e.stack}`);
		process.exit(1);
	});
