// Compiles contracts/src into contracts/artifacts, so that a machine without a compiler can run the node.
//
//   node compile.js           writes the artifacts
//   node compile.js --check   compiles again, compares, and exits 1 naming every artifact that differs
//
// The settings are fixed and the bytecode carries no metadata hash, so the same sources and the same compiler
// give the same bytes on every machine.
"use strict";

const fs = require("fs");
const path = require("path");
const solc = require("solc");

const SOURCES = path.join(__dirname, "src");
const ARTIFACTS = path.join(__dirname, "artifacts");
const CONTRACTS = ["TestToken", "Rollup", "Inbox"];
const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: {
    "*": {
      "": ["ast"],
      "*": [
        "abi",
        "evm.bytecode.object",
        "evm.deployedBytecode.object",
        "evm.deployedBytecode.immutableReferences",
      ],
    },
  },
};

// Reads every .sol file under SOURCES, keyed by its path there: the names that imports resolve to.
function readSources() {
  const names = fs.readdirSync(SOURCES, { recursive: true }).filter((name) => name.endsWith(".sol"));
  const entries = names.map((name) => {
    const content = fs.readFileSync(path.join(SOURCES, name), "utf8");
    return [name.split(path.sep).join("/"), { content }];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

// Compiles everything at once. Warnings stop the build as errors do.
function compile() {
  const input = { language: "Solidity", sources: readSources(), settings: SETTINGS };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const complaints = (output.errors || []).map((error) => error.formattedMessage);
  if (complaints.length > 0) {
    console.error(complaints.join("\n"));
    process.exit(1);
  }
  return new Map(
    CONTRACTS.map((name) => {
      const file = `${name}.sol`;
      return [name, artifactText(output.contracts[file][name], output.sources[file].ast)];
    }),
  );
}

// Where the deployed bytecode holds 32 zero bytes for each immutable, which the constructor fills in. The compiler
// tells them by the ids of their declarations.
function immutablePlaces(references, ast) {
  const named = ast.nodes.flatMap((node) => node.nodes || []);
  const places = Object.entries(references).map(([id, slots]) => {
    const declaration = named.find((node) => node.id === Number(id));
    return [declaration.name, slots.map((slot) => slot.start).sort((a, b) => a - b)];
  });
  return Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function artifactText(contract, ast) {
  const artifact = {
    compiler: solc.version(),
    abi: contract.abi,
    bytecode: "0x" + contract.evm.bytecode.object,
    deployedBytecode: "0x" + contract.evm.deployedBytecode.object,
    immutables: immutablePlaces(contract.evm.deployedBytecode.immutableReferences, ast),
  };
  return JSON.stringify(artifact, null, 2) + "\n";
}

function write(artifacts) {
  fs.mkdirSync(ARTIFACTS, { recursive: true });
  for (const [name, text] of artifacts) {
    fs.writeFileSync(path.join(ARTIFACTS, `${name}.json`), text);
  }
}

// The faults of the artifacts on disk, one line each: missing, different in some fields, or unexpected.
function faults(artifacts) {
  const present = fs.existsSync(ARTIFACTS) ? fs.readdirSync(ARTIFACTS) : [];
  const unexpected = present.filter((file) => !artifacts.has(path.parse(file).name));
  const found = unexpected.map((file) => `artifacts/${file}: no contract of this name is built`);
  for (const [name, text] of artifacts) {
    const file = path.join(ARTIFACTS, `${name}.json`);
    if (!fs.existsSync(file)) {
      found.push(`artifacts/${name}.json: missing`);
    } else if (fs.readFileSync(file, "utf8") !== text) {
      found.push(`artifacts/${name}.json: ${differingFields(file, text)}`);
    }
  }
  return found;
}

function differingFields(file, text) {
  let committed;
  try {
    committed = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return "is not JSON";
  }
  const built = JSON.parse(text);
  const fields = Object.keys(built).filter(
    (field) => JSON.stringify(built[field]) !== JSON.stringify(committed[field]),
  );
  return fields.length > 0 ? `${fields.join(", ")} differ` : "differs in layout";
}

function main() {
  const unknown = process.argv.slice(2).filter((argument) => argument !== "--check");
  if (unknown.length > 0) {
    console.error(`unknown argument ${unknown[0]}; usage: node compile.js [--check]`);
    process.exit(2);
  }
  const artifacts = compile();
  if (!process.argv.includes("--check")) {
    write(artifacts);
    return;
  }
  const found = faults(artifacts);
  if (found.length > 0) {
    console.error(found.join("\n") + "\nRun `npm run build` in contracts/ and commit the result.");
    process.exit(1);
  }
  console.log(`${artifacts.size} artifacts match their sources (${solc.version()})`);
}

main();
