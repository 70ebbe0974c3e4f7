// Texts: addresses, amounts, payment URIs, network files, settings, QR codes; and the scripts that are made of
// modules.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readAddress, showAddress } from "../light/address.js";
import { encodeBech32m } from "../light/bech32m.js";
import { toHex, utf8 } from "../light/bytes.js";
import { LightClient } from "../light/client.js";
import { ProofError } from "../light/errors.js";
import { compareClaims, isShown, subsidyAt } from "../light/facts.js";
import { readNetworkFile } from "../light/network_file.js";
import { makeNetwork } from "../light/network.js";
import { findNetwork, shippedNetwork, shippedParams } from "../light/networks.js";
import { readUri, writeUri } from "../light/payment_uri.js";
import { qrCode } from "../light/qr.js";
import { sha256 } from "../light/sha256.js";
import { otherNodes, saveGenesis, trustedGenesis } from "../light/settings.js";
import { approximate, readAmount, showAge, showAmount } from "../light/text.js";
import { BUNDLES, bundle } from "../tools/bundle.mjs";
import { key } from "./support/keys.mjs";

const refused = (judge, reason = /./) =>
  assert.throws(judge, (error) => error instanceof ProofError && reason.test(error.message));
const file = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

test("the networks that ship are those of their files", () => {
  for (const params of shippedParams()) {
    const network = readNetworkFile(file(`../../../genesis/${params.name}.toml`));
    assert.equal(makeNetwork(params).genesisId, network.genesisId, params.name);
    assert.equal(shippedNetwork(network.genesisId).name, params.name);
  }
});

test("a local network that was stamped anew is found by its block 0", async () => {
  const local = { ...shippedParams()[2], genesisTime: 1_800_000_000_123n };
  const network = makeNetwork(local);
  const gone = async () => {
    throw new ProofError("no such file", "failure");
  };
  const found = await findNetwork(network.genesisId, { describe: gone, block0: async () => network.genesis.raw });
  assert.equal(found.genesisTime, local.genesisTime);
  await assert.rejects(
    findNetwork("ab".repeat(32), { describe: gone, block0: async () => network.genesis.raw }),
    /does not know the rules/,
  );
  await assert.rejects(findNetwork(network.genesisId, { describe: gone, block0: gone }), /does not know the rules/);
});

test("upgrades are part of a network's file, and of the versions of its headers", () => {
  const text = file("../../../genesis/local.toml");
  const upgraded = `${text}\n[[upgrade]]\nheight = 50\nname = "larger"\nmax_block_bytes = 3_000_000\n`;
  const network = readNetworkFile(upgraded);
  assert.equal(network.genesisId, readNetworkFile(text).genesisId);
  assert.equal(network.versionAt(49), 1);
  assert.ok(network.versionAt(50) >= 2);
  for (const [from, to] of [
    ["height = 50", "height = 2"],
    ["larger", "Larger"],
    ["3_000_000", "3"],
    ["max_block_bytes = 3_000_000", ""],
    ["max_block_bytes", 'feature = "magic"\nmax_block_bytes'],
  ])
    refused(() => readNetworkFile(upgraded.replace(from, to)));
});

test("a network's file is read strictly", () => {
  const text = file("../../../genesis/local.toml");
  for (const [from, to] of [
    ["name = ", "nom = "],
    ["subsidy", "subsidy_"],
    ["interval_ms = 2_000", 'interval_ms = "2"'],
    ["halving = 100_000", "halving = 0"],
    ["1e3fffff", "1e3ffff"],
    ['"50"', '"-50"'],
    ["[[allocations]]", "[[allocation]]"],
    ["half_life_ms = 20_000", "half_life_ms = 3_000"],
    ['name = "local"', 'name = "Local"'],
    ['"1000000"', '"99999999999"'],
    ['prefix = "lcrn"', 'prefix = "xcrn"'],
    ["interval_ms = 2_000", "interval_ms = 2_000 2"],
    ['"1000000"', '"0"'],
  ]) {
    assert.ok(text.includes(from), from);
    refused(() => readNetworkFile(text.replace(from, to)));
  }
  const [first, second] = [...text.matchAll(/address = "(.*)"/g)].map(([, address]) => address);
  refused(
    () => readNetworkFile(text.replace(first, "x").replace(second, first).replace('"x"', `"${second}"`)),
    /ascend/,
  );
});

test("addresses are read as strictly as something typed", () => {
  const { address } = key(1);
  const text = showAddress("crn", address);
  assert.equal(toHex(readAddress(text, "crn").bytes), toHex(address));
  refused(() => readAddress(text, "lcrn"), /begins with crn1, expected lcrn1/);
  refused(() => readAddress(`${text.slice(0, -1)}${text.endsWith("q") ? "p" : "q"}`, "crn"), /checksum/);
  refused(() => readAddress(text.replace("x", "X"), "crn"), /mixes/);
  refused(() => readAddress(encodeBech32m("crn", address.subarray(1)), "crn"), /31 bytes/);
  refused(() => readAddress(encodeBech32m("crn", new Uint8Array(32).fill(5)), "crn"), /no public key/);
  refused(() => readAddress(encodeBech32m("crn", new Uint8Array(32)), "crn"), /no public key/);
  for (const other of ["", "1", "crn1", "crn1q", "crn1é", `${text} `, "x".repeat(91)])
    refused(() => readAddress(other, "crn"));
});

test("amounts are exact", () => {
  for (const [pebbles, text] of [
    [0n, "0"],
    [1n, "0.00000001"],
    [150_000_000n, "1.5"],
    [2n ** 53n - 1n, "90071992.54740991"],
  ]) {
    assert.equal(showAmount(pebbles), text);
    assert.equal(readAmount(text), pebbles);
  }
  for (const text of ["", ".", "1.", ".5", "1e3", "-1", "+1", "1,5", "0.000000001", "90071992.54740992", " 1", "١"])
    refused(() => readAmount(text));
  assert.deepEqual([812, 8.1e12, 9.99e12].map(approximate), ["812", "8.1 × 10¹²", "1.0 × 10¹³"]);
  assert.deepEqual(
    [12, 150, 7300, 200_000].map((s) => showAge(s * 1000)),
    ["12 s", "2 min", "2 h", "2 days"],
  );
});

test("payment URIs are read as they are written, and nothing that is not quite one", () => {
  const full = { address: "lcrn1x", amount: 150_000_000n, memo: "for the tea & é", label: "Bob's=shop?" };
  const text = "cairn:lcrn1x?amount=1.5&memo=for%20the%20tea%20%26%20%C3%A9&label=Bob%27s%3Dshop%3F";
  assert.equal(writeUri(full), text);
  assert.deepEqual(readUri(text), full);
  assert.deepEqual(readUri("cairn:lcrn1x"), { address: "lcrn1x", amount: null, memo: null, label: null });
  for (const scheme of ["", "lcrn1x", "bitcoin:lcrn1x", "CAIRN:lcrn1x", "cairn//lcrn1x"])
    refused(() => readUri(scheme), /expected a payment URI/);
  for (const field of [
    "?",
    "?amount",
    "?amount=1&amount=1",
    "?amount=1&",
    "?fee=1",
    "?Amount=1",
    "?req-x=1",
    "?\u001b=1",
    "?__proto__=1",
    "?address=x",
    "?memo=a&memo=b",
  ])
    refused(() => readUri(`cairn:lcrn1x${field}`), /has the field/);
  for (const value of [
    "amount=",
    "amount=1e3",
    "amount=-1",
    "memo=%",
    "memo=%4",
    "memo=%zz",
    "memo=a b",
    "memo=%ff",
    "label=%1b",
  ]) {
    refused(() => readUri(`cairn:lcrn1x?${value}`), /the payment URI's/);
  }
  refused(() => readUri(`cairn:lcrn1x?memo=${"x".repeat(257)}`), /257 bytes/);
  refused(() => readUri(`cairn:${"x".repeat(3000)}`), /3006 bytes/);
});

test("subsidies, and figures that are compared", () => {
  const network = shippedNetwork(makeNetwork(shippedParams()[2]).genesisId);
  assert.deepEqual(
    [0, 1, 99_999, 100_000, 6_400_000].map((height) => subsidyAt(network, height)),
    [0n, 5_000_000_000n, 5_000_000_000n, 2_500_000_000n, 0n],
  );
  const { address } = key(1);
  const facts = { "to.0": toHex(address), [`received@${toHex(address)}`]: "5", fee: "7" };
  const text = showAddress("lcrn", address);
  const compare = (claims) => compareClaims(facts, claims, "lcrn");
  assert.deepEqual(
    compare([
      ["to.0", text],
      [`received@${text}`, "5"],
      ["fee", "7"],
    ]),
    { wrong: [], unproven: [], proven: 3 },
  );
  assert.deepEqual(compare([["fee", "07"]]).wrong, ["it says fee 0.00000007 CRN, and 0.00000007 CRN is proven"]);
  assert.equal(compare([[`received@${text}`, "6"]]).wrong.length, 1);
  assert.equal(compare([[`received@${showAddress("lcrn", key(2).address)}`, "6"]]).wrong.length, 1);
  assert.deepEqual(compare([["toString", "x"]]), { wrong: [], unproven: ["toString"], proven: 0 });
  const many = compare(Array.from({ length: 2000 }, () => ["fee", "8"])).wrong;
  assert.deepEqual([many.length, many[8]], [9, "and 1992 more"]);
});

test("the text of a figure is that of its value, or the page lies", () => {
  const [id, address] = ["ab".repeat(32), "lcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjqq7x9pf"];
  for (const [name, value, text] of [
    ["balance", "1250000000", "12.5 CRN"],
    ["balance", "1250000000", " 12.50000000 CRN "],
    ["balance", "123456789012345", "1,234,567.89012345 CRN"],
    ["balance", "123456789012345", "1\u202f234\u202f567.89012345"],
    ["fee", "200", "0.000002"],
    ["fee", "200", "\n0.000002 CRN (2 pebbles a byte)\n"],
    ["fee", "200", ""],
    ["balance", "0", "0"],
    ["height", "1234567", "1 234 567"],
    ["height", "10", "block 10"],
    ["confirmations", "100", "100 blocks deep"],
    ["nonce", "3", "3"],
    ["block", id, id],
    ["block", id, `${id.slice(0, 8)}…${id.slice(-6)}`],
    ["block", id, "the block before"],
    ["to.0", address, address],
    ["to.0", address, "lcrn1y39…x9pf"],
    ["time", "1700000000123", "2023-11-14T22:13:20Z"],
    ["memo", "", "none"],
    ["memo", "74656120c3a920e88cb6", " tea é 茶 "],
    ["memo", "611b5b33316d62", "a\\u{1b}[31mb"],
    ["memo", "fffe3c", "fffe3c (no text)"],
    ["memo", "ff".repeat(256), `${"ff".repeat(256)} (no text)`],
    ["memo", "01".repeat(256), "\\u{1}".repeat(256)],
    ["memo", "5c757b34317d", "\\u{41}"],
    ["memo", "61".repeat(256), "a".repeat(256)],
    ["valid_until", "120", "block 120"],
    ["target", "1e3fffff", "1e3fffff"],
    ["size", "1331", "1.3 KiB"],
    ["transactions", "1000", "1000"],
  ])
    assert.ok(isShown(name, value, text), `${name} ${value} ${text}`);
  for (const [name, value, text] of [
    ["balance", "1250000000", "125 CRN"],
    ["balance", "1250000000", "12.51 CRN"],
    ["balance", "1250000000", "1250 CRN"],
    ["height", "10", "11"],
    ["balance", "1250000000", "99 999 CRN"],
    ["confirmations", "1", "100 blocks deep"],
    ["block", id, "cd".repeat(32)],
    ["block", id, `ab…${id.slice(-6)}c0`],
    ["block", id, `${id.slice(0, 8)}…cdcdcd`],
    ["to.0", address, address.replace("9592", "9593")],
    ["amount.0", "5", "5"],
    ["fee", "200", "200 CRN"],
    ["balance", "1250000000", "9,999 CRN 12.5"],
    ["balance", "1250000000", "12.5 9,999 CRN"],
    ["balance", "1250000000", "12.5 CRN (9,999)"],
    ["balance", "1250000000", "12.5 million CRN"],
    ["balance", "1250000000", "-12.5 CRN"],
    ["balance", "1250000000", "12.5e9"],
    ["balance", "1250000000", "９12.5 CRN"],
    ["balance", "1250000000", "12.5² CRN"],
    ["balance", "1250000000", "a lot"],
    ["balance", "0", "∞"],
    ["height", "10", "block 10 of 99"],
    ["time", "1700000000123", "yesterday"],
    ["time", "1700000000123", "2023-11-14T22:13:21Z"],
    ["time", "1700000000123", ""],
    ["memo", "00", "anything"],
    ["memo", "74656120c3a920e88cb6", "tea"],
    ["memo", "74656120c3a920e88cb6", "none"],
    ["memo", "", "paid in full"],
    ["memo", "fffe3c", "text"],
    ["memo", "61".repeat(256), "a".repeat(255)],
    ["memo", "ff".repeat(256), `${"ff".repeat(255)} (no text)`],
    ["valid_until", "120", "block 121"],
    ["target", "1e3fffff", "1e3ffffe"],
    ["to.0", address, `${address.slice(0, 20)} ${address.slice(20, 63)}x`],
    ["to.0", address, address.toUpperCase()],
    ["to.0", address, "l…f"],
    ["block", id, "block 7"],
    ["nonce", "3", "three"],
  ])
    assert.ok(!isShown(name, value, text), `${name} ${value} ${text}`);
  const { wrong } = compareClaims({ height: "10" }, [["height", "10", "<b>11"]], "lcrn");
  assert.deepEqual(wrong, ["it shows height as “<b>11”, and “10” is proven"]);
});

/** Storage as browsers have it. */
function storage(entries = {}) {
  const kept = new Map(Object.entries(entries));
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
}

test("the genesis id that is trusted is the address's, or the settings', or else the node's word", () => {
  const [a, b, c] = ["aa", "bb", "cc"].map((byte) => byte.repeat(32));
  const trusted = (hash, local, session, told) => trustedGenesis({ hash, local, session, told });
  assert.deepEqual(trusted("", storage(), storage(), c), { id: c, from: "node", saved: "" });
  assert.deepEqual(trusted("", storage({ "cairn.genesis": b }), storage(), c), { id: b, from: "settings", saved: b });
  const session = storage();
  assert.deepEqual(trusted(`#genesis=${a}`, storage({ "cairn.genesis": b }), session, c), {
    id: a,
    from: "address",
    saved: b,
  });
  // For the other pages of this visit, behind the settings, and never as a setting.
  assert.equal(trusted("", storage({ "cairn.genesis": b }), session, c).id, b);
  assert.deepEqual(trusted("", storage(), session, c), { id: a, from: "address", saved: "" });
  for (const odd of ["#genesis=xx", "#genesis=", "#", "#other=1", "#genesis=<b>"]) {
    assert.equal(trusted(odd, storage({ "cairn.genesis": "<b>" }), storage(), c).from, "node");
  }
  const denied = {
    getItem: () => {
      throw new Error("denied");
    },
    setItem: () => {
      throw new Error("denied");
    },
  };
  assert.equal(trusted(`#genesis=${a}`, denied, denied, c).id, a);
  assert.equal(saveGenesis(denied, a), false);
  const local = storage();
  assert.equal(saveGenesis(local, "<b>"), false);
  assert.equal(saveGenesis(local, a), true);
  assert.equal(trusted("", local, storage(), c).from, "settings");
});

test("other nodes are URLs, and nothing else is asked", () => {
  const local = storage({ "cairn.nodes": "https://a.example\nhttp://127.0.0.1:9741/" });
  assert.deepEqual(otherNodes(local), ["https://a.example/", "http://127.0.0.1:9741/"]);
  assert.deepEqual(otherNodes(local, "https://b.example https://a.example/"), [
    "https://b.example/",
    "https://a.example/",
    "http://127.0.0.1:9741/",
  ]);
  for (const bad of [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "a.example",
    "https://user:password@a.example",
    "data:,x",
    "https://a.example/#x",
  ]) {
    assert.deepEqual(otherNodes(storage({ "cairn.nodes": bad }), bad), []);
  }
  const many = Array.from({ length: 50 }, (_, i) => `https://n${i}.example`).join(" ");
  assert.equal(otherNodes(storage({ "cairn.nodes": many }), many).length, 8);
});

test("QR codes are those that another reader has read", () => {
  // OpenCV's detector read these two back.
  const read = {
    "cairn:lcrn1x?amount=1.5": "47b6f2f3b1a9b68e5f728435d0856ee845f604c084897ee0c2650f2d92a51fb7",
    [`cairn:${"y".repeat(180)}`]: "ca01650e0becba74e86752e4cdbb3db6707d13db88b29d8cab87e85e1babf304",
  };
  for (const [text, digest] of Object.entries(read)) {
    assert.equal(
      toHex(
        sha256(
          utf8(
            qrCode(text)
              .map((row) => row.join(""))
              .join("\n"),
          ),
        ),
      ),
      digest,
    );
  }
  assert.equal(qrCode("x".repeat(666)).length, 97);
  assert.equal(qrCode("x".repeat(667)), null);
});

test("a page whose worker cannot be loaded says so, at once and later", async () => {
  const denied = new LightClient(() => {
    throw new Error("denied");
  });
  await assert.rejects(denied.open("aa", []), /could not be loaded in this browser/);
  const worker = Object.assign(new EventTarget(), { postMessage: () => undefined });
  const client = new LightClient(() => worker);
  const waiting = client.open("aa", []);
  worker.dispatchEvent(new Event("error"));
  await assert.rejects(waiting, /could not be loaded/);
  await assert.rejects(client.report(), /could not be loaded/);
  const echo = Object.assign(new EventTarget(), {
    postMessage: ({ id, method }) => {
      const data =
        method === "report" ? { id, result: 5 } : { id, error: { message: "no", kind: "lie", liars: [1] } };
      queueMicrotask(() => echo.dispatchEvent(Object.assign(new Event("message"), { data })));
    },
  });
  const right = new LightClient(() => echo);
  assert.equal(await right.report(), 5);
  await assert.rejects(right.refresh(), (error) => error.kind === "lie" && error.liars.length === 1);
});

test("the scripts that are made of modules are current", () => {
  for (const [name, entry] of Object.entries(BUNDLES)) {
    assert.ok(file(`../${name}`) === bundle(entry), `${name} is not current: run node explorer/web/tools/bundle.mjs`);
  }
});

test("pages have nothing inline, and a strict policy", () => {
  for (const name of ["receipt.html", "pay.html"]) {
    const page = file(`../${name}`);
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(page, /<style|style=|<script>| on[a-z]+=|javascript:|https?:/);
  }
  const scripts = [
    "verify.js",
    "light.js",
    "receipt.js",
    "pay.js",
    ...["verify_page", "client", "panel", "settings", "text", "errors"].map((each) => `light/${each}.js`),
  ];
  for (const name of scripts)
    assert.doesNotMatch(
      file(`../${name}`),
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/,
    );
});
