// Makes one classic script of some modules, without their comments: for pages that are files, from which browsers
// load no modules, and for the worker and the page's side of it, which so come with one request each. Each module becomes a function that gives
// what it exports, in the order in which they need each other; lines lose their indents, which every visitor would be
// sent. Run it after a change of a module:
//
//   node explorer/web/tools/bundle.mjs          writes light.js, verify.js, receipt.js and pay.js
//   node explorer/web/tools/bundle.mjs --check  fails where they are not what it would write

import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const WEB = new URL("../", import.meta.url);
export const BUNDLES = {
  "light.js": "light/worker.js",
  "verify.js": "light/verify_page.js",
  "receipt.js": "light/receipt_page.js",
  "pay.js": "light/pay_page.js",
};

const IMPORT = /^import \{([^}]*)\} from "(\.\/[a-z0-9_]+\.js)";$/gm;
/** Comments that begin a line, and empty lines. */
const COMMENT = /^[ ]*\/\*\*[^]*?\*\/\n|^[ ]*\/\/.*\n|^\n/gm;
const EXPORT = /^export (?=(?:async )?(?:function|const|class) ([A-Za-z0-9_]+))/gm;

/** The modules that `url` needs, itself last. */
function collect(url, found = new Map()) {
  if (found.has(url.href)) return found;
  found.set(url.href, null);
  const text = readFileSync(url, "utf8");
  for (const [, , path] of text.matchAll(IMPORT)) collect(new URL(path, url), found);
  found.delete(url.href);
  return found.set(url.href, text);
}

const variable = (href) => `${basename(fileURLToPath(href), ".js")}_module`;

function wrap(href, text) {
  const names = [...text.matchAll(EXPORT)].map(([, name]) => name);
  const body = text
    .replace(IMPORT, (_, list, path) => {
      return `const { ${list
        .split(",")
        .map((name) => name.trim())
        .filter(Boolean)
        .join(", ")} } = ${variable(new URL(path, href).href)};`;
    })
    .replace(EXPORT, "")
    .replace(COMMENT, "")
    .replace(/^ +/gm, "")
    .trim();
  if (body.split("\n").some((line) => line.split("`").length % 2 === 0))
    throw new Error(`${href} has a text over several lines, which would lose its indents`);
  if (/^(import|export)\b/m.test(body))
    throw new Error(`${href} imports or exports in a form that is not known here`);
  return `const ${variable(href)} = (() => {\n${body}\nreturn { ${names.join(", ")} };\n})();\n`;
}

/** @param {string} entry the page's module, from the folder of the pages @returns {string} a classic script */
export function bundle(entry) {
  const modules = [...collect(new URL(entry, WEB))].map(([href, text]) => wrap(href, text));
  const head = `// Made by tools/bundle.mjs from ${entry} and the modules that it needs. Do not edit.\n`;
  return `${head}"use strict";\n(() => {\n${modules.join("\n")}})();\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [name, entry] of Object.entries(BUNDLES)) {
    const path = new URL(name, WEB);
    if (process.argv[2] !== "--check") writeFileSync(path, bundle(entry));
    else if (readFileSync(path, "utf8") !== bundle(entry)) {
      console.error(`${name} is not current: run node explorer/web/tools/bundle.mjs`);
      process.exitCode = 1;
    }
  }
}
