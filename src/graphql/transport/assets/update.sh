#!/bin/sh
# Makes the vendored files of the IDE page and their NOTICE anew. Needs npm (with its node), perl and gzip. To move a
# version, change it here, in ide.html and in ../ide.rs, then run this: the files of the old version are removed.
set -eu
cd "$(dirname "$0")"
GRAPHIQL=4.1.2 # the last line that is published as a script; from 5 on it is modules that need a bundler
REACT=18.3.1   # the last one that is published as a script
GRAPHQL_WS=6.4.2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm init --yes >/dev/null && npm install --silent --ignore-scripts \
  graphiql@$GRAPHIQL react@$REACT react-dom@$REACT graphql-ws@$GRAPHQL_WS)
from=$work/node_modules

rm -f ./*.gz
pack() { # what, its name here; the line that names a source map goes, since no map is served
  perl -0pe 's{\n?(//|/\*)# sourceMappingURL=[^\n]*}{}g' "$from/$1" | gzip -9n >"$2.gz"
}
# Two thirds of the style sheet are two web fonts; the system's own do.
perl -0pi -e 's/\@font-face\s*\{[^}]*\}//g' "$from/graphiql/graphiql.min.css"
pack graphiql/graphiql.min.js graphiql-$GRAPHIQL.js
pack graphiql/graphiql.min.css graphiql-$GRAPHIQL.css
pack react/umd/react.production.min.js react-$REACT.js
pack react-dom/umd/react-dom.production.min.js react-dom-$REACT.js
pack graphql-ws/umd/graphql-ws.min.js graphql-ws-$GRAPHQL_WS.js

# GraphiQL's script holds other packages: its source map tells which.
node - "$from" >NOTICE <<'SCRIPT'
const fs = require("fs"), path = require("path");
const from = process.argv[2];
const map = JSON.parse(fs.readFileSync(path.join(from, "graphiql/graphiql.min.js.map")));
const names = new Set(["graphiql", "react", "react-dom", "graphql-ws", "@graphiql/react", "@graphiql/toolkit",
  "@graphiql/plugin-doc-explorer", "@graphiql/plugin-history"]);
for (const source of map.sources) {
  const inner = source.split("node_modules/").slice(1).pop();
  if (inner) names.add(inner.split("/").slice(0, inner.startsWith("@") ? 2 : 1).join("/"));
}
const texts = new Map();
console.log(`The files *.gz in this folder are browser builds from npm, packed by update.sh. Left out of them: GraphiQL's web
fonts and the references to source maps. They hold the packages below; the texts of their licences follow.
`);
for (const name of [...names].filter((name) => fs.existsSync(path.join(from, name))).sort()) {
  const folder = path.join(from, name);
  const { version, license } = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
  const file = fs.readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  const text = file ? fs.readFileSync(path.join(folder, file), "utf8").trim() : "";
  const holder = text.match(/^.*copyright (\(c\)|©|\d{4}).*$/im)?.[0].trim().replace(/,?\s*all rights reserved\.?/i, "");
  // Which version of an inner package was packed in is not told.
  const exact = ["graphiql", "react", "react-dom", "graphql-ws"].includes(name) ? ` ${version}` : "";
  console.log(`${name}${exact}, ${license}${holder ? `. ${holder}` : ""}`);
  const known = texts.get(license) ?? "";
  if (!known || (text && text.length < known.length && /permission|permitted|license/i.test(text))) texts.set(license, text);
}
for (const [license, text] of texts) {
  const plain = text.split("\n").filter((line) => !/^\s*copyright (\(c\)|©|\d{4})/i.test(line)).join("\n");
  console.log(`\n=== ${license}\n\n${plain.trim()}`);
}
SCRIPT
