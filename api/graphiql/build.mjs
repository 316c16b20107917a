// Bundles src/ with GraphiQL into dist/, which is committed, so that building the Rust binary needs
// neither Node nor a network. With --check nothing is written: the build fails if dist/ is not what
// it would write.

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

/**
 * Packages that are published without their licence file, and a package of the same authors, under the
 * same licence, that has it.
 */
const LICENCE_FILE_OF = {
  "@graphiql/plugin-doc-explorer": "graphiql",
  "@graphiql/plugin-history": "graphiql",
  "react-compiler-runtime": "react",
  "react-remove-scroll-bar": "react-remove-scroll",
  "toggle-selection": "copy-to-clipboard",
};

/**
 * What is changed in files of GraphiQL while they are bundled. If an upgrade writes one of them in
 * another way, the build stops, rather than let the old trouble slip back in.
 */
const CHANGES = [
  {
    // Two font families as data, 350 kB that every copy of the binary would hold. The fonts of the
    // reader's own system do as well.
    file: /[\\/]graphiql[\\/]dist[\\/]style\.css$/,
    replace: [
      [/@font-face\s*\{[^}]*\}/g, ""],
      [/"Roboto", sans-serif/g, "system-ui, sans-serif"],
      [/"Fira Code", monospace/g, "ui-monospace, monospace"],
    ],
  },
  {
    // Icons take their titles, which screen readers say, from the names of functions, which a
    // minifier shortens: "close icon" would become "_j icon".
    file: /[\\/]@graphiql[\\/]react[\\/]dist[\\/]icons[\\/]index\.js$/,
    replace: [
      [/generateIcon\((Svg\w+)\)/g, 'generateIcon($1, "$1")'],
      [/function generateIcon\(RawComponent\)/g, "function generateIcon(RawComponent, name)"],
      [/RawComponent\.name/g, "name"],
    ],
  },
];

const changes = {
  name: "changes",
  setup(build) {
    for (const { file, replace } of CHANGES) {
      build.onLoad({ filter: file }, ({ path }) => {
        let contents = readFileSync(path, "utf8");
        for (const [pattern, replacement] of replace) {
          const changed = contents.replaceAll(pattern, replacement);
          if (changed === contents) throw new Error(`${basename(path)}: nothing matches ${pattern}`);
          contents = changed;
        }
        return { contents, loader: path.endsWith(".css") ? "css" : "js" };
      });
    }
  },
};

const result = await esbuild.build({
  absWorkingDir: here,
  entryPoints: { graphiql: "src/main.jsx" },
  outdir: "dist",
  write: false,
  metafile: true,
  bundle: true,
  minify: true,
  // One classic script. GraphiQL loads its editors with import(), which this folds into the bundle.
  format: "iife",
  target: ["es2022", "chrome111", "firefox111", "safari16.4"],
  jsx: "automatic",
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
  // The examples are taken as they stand, comments and placeholders included.
  loader: { ".graphql": "text", ".variables.json": "text" },
  // All licences are in LICENSES.txt, not only those that a minifier happens to find.
  legalComments: "none",
  banner: { js: "/* Licences of what is bundled here: LICENSES.txt */", css: "/* Licences of what is bundled here: LICENSES.txt */" },
  plugins: [changes],
  logLevel: "warning",
});

const files = new Map(result.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
files.set("index.html", readFileSync(join(here, "src/index.html")));
files.set("LICENSES.txt", Buffer.from(licences(packagesIn(result.metafile))));

if (process.argv.includes("--check")) {
  const stale = [...files].filter(([name, contents]) => {
    const path = join(dist, name);
    return !existsSync(path) || !readFileSync(path).equals(contents);
  });
  for (const [name] of stale) console.error(`dist/${name} is not what a build gives; run \`npm run build\``);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  mkdirSync(dist, { recursive: true });
  for (const [name, contents] of files) {
    writeFileSync(join(dist, name), contents);
    console.log(`dist/${name}  ${contents.length} bytes`);
  }
}

/** The folders of the packages of which at least one byte is in a bundle. */
function packagesIn(metafile) {
  const folders = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = path.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
      if (folder && bytesInOutput > 0) folders.add(folder);
    }
  }
  return [...folders].sort();
}

function licences(folders) {
  const packages = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
    if (typeof license !== "string") throw new Error(`${name} does not name its licence`);
    return { name, version, license, text: licenceText(folder, name) };
  });

  // Many packages share one text to the letter; it stands once, under all their names.
  const byText = new Map();
  for (const one of packages) byText.set(one.text, [...(byText.get(one.text) ?? []), one]);

  const list = packages.map(({ name, version, license }) => `  ${name} ${version}: ${license}`).join("\n");
  const texts = [...byText].map(([text, those]) => {
    const names = those.map(({ name, version }) => `${name} ${version}`).join("\n");
    return `${"=".repeat(78)}\n${names}\n${"-".repeat(78)}\n\n${text}\n`;
  });
  return `graphiql.js and graphiql.css contain code of these packages:\n\n${list}\n\n${texts.join("\n")}`;
}

function licenceText(folder, name) {
  const source = LICENCE_FILE_OF[name] ? `node_modules/${LICENCE_FILE_OF[name]}` : folder;
  const files = readdirSync(join(here, source)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
  if (files.length === 0) throw new Error(`${name} has no licence file; see LICENCE_FILE_OF`);
  return files.map((file) => readFileSync(join(here, source, file), "utf8").replaceAll("\r\n", "\n").trim()).join("\n\n");
}
