// Breaks each rule of the light client in turn, and sees that a test fails. Not part of `node --test`: it takes
// minutes.
//
//   node explorer/web/tests/mutants.mjs [NAME ...]
//
// mutations.txt has a name and a file, the text that is there once (-), and what breaks the rule (+).

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const TESTS = [
  "golden",
  "attacks_chain",
  "attacks_trees",
  "attacks_nodes",
  "attacks_blocks",
  "lies",
  "units",
  "nodes",
  "fuzz",
];

const mutations = readFileSync(join(WEB, "tests/mutations.txt"), "utf8")
  .split("\n\n")
  .filter((each) => each.trim())
  .map((text) => {
    const lines = text.trim().split("\n");
    const [name, file] = lines[0].split(": ");
    const side = (mark) =>
      lines
        .filter((line) => line.startsWith(mark))
        .map((line) => line.slice(1))
        .join("\n");
    return { name, file, from: side("-"), to: side("+") };
  });

/** A copy of the client, beside which the vectors and networks lie. */
function copy() {
  const root = mkdtempSync(join(tmpdir(), "cairn-mutants-"));
  mkdirSync(join(root, "explorer"));
  cpSync(WEB, join(root, "explorer/web"), { recursive: true });
  for (const name of ["ledger", "docs", "genesis"]) symlinkSync(join(ROOT, name), join(root, name));
  return root;
}

/** The first test file that fails; null where none does. */
function killer(root) {
  return (
    TESTS.find((name) => {
      const file = join(root, `explorer/web/tests/${name}.test.mjs`);
      const run = spawnSync(process.execPath, ["--test", file], { timeout: 300_000 });
      return run.status !== 0;
    }) ?? null
  );
}

const wanted = process.argv.slice(2);
const root = copy();
if (killer(root)) throw new Error("the tests fail without any mutation");
let survivors = 0;
for (const { name, file, from, to } of mutations) {
  if (wanted.length && !wanted.includes(name)) continue;
  const path = join(root, "explorer/web/light", file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2)
    throw new Error(`${name}: its text is in ${file} ${text.split(from).length - 1} times`);
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  // The scripts that are made of modules are to be as current as ever: that is not what is asked.
  spawnSync(process.execPath, [join(root, "explorer/web/tools/bundle.mjs")]);
  const found = killer(root);
  console.log(`${found ? `found by ${found}` : "NOT FOUND"}  ${name} (${file})`);
  survivors += found ? 0 : 1;
  writeFileSync(path, text);
}
rmSync(root, { recursive: true });
process.exitCode = survivors ? 1 : 0;
