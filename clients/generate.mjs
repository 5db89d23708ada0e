// Writes src/generated.ts: the types of every operation in src/operations.graphql, as the server's schema has them.
import { readFile, writeFile } from "node:fs/promises";
import { codegen } from "@graphql-codegen/core";
import * as operations from "@graphql-codegen/typescript-operations";
import * as documents from "@graphql-codegen/typed-document-node";
import { buildSchema, parse, printSchema, validate } from "graphql";

const text = (path) => readFile(new URL(path, import.meta.url), "utf8");
const schema = buildSchema(await text("../schema.graphql"));
const document = parse(await text("src/operations.graphql"));
const mistakes = validate(schema, document);
if (mistakes.length > 0) throw new AggregateError(mistakes, mistakes.map(String).join("\n"));

const config = {
  useTypeImports: true,
  strictScalars: true,
  enumsAsTypes: true,
  // Amounts are exact decimals as text, and whole minor units as numbers below 2^53.
  scalars: { DateTime: "string", Decimal: "string", Long: "number", Date: "string" },
};
const code = await codegen({
  filename: "src/generated.ts",
  schema: parse(printSchema(schema)),
  schemaAst: schema,
  documents: [{ location: "src/operations.graphql", document }],
  config,
  pluginMap: { operations, documents },
  plugins: [{ operations: {} }, { documents: {} }],
});
await writeFile(new URL("src/generated.ts", import.meta.url), code);
