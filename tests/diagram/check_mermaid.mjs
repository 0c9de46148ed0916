// Parses and renders Mermaid texts with Mermaid itself, in headless Chromium.
// node check_mermaid.mjs MERMAID_MIN_JS CHROMIUM: a JSON object {name: text} in; out, of each name,
// either {error} or {labels, svg}: every text that the picture shows, and the picture.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [library, chromium] = process.argv.slice(2);
const texts = readFileSync(0, "utf-8");

const inPage = async (texts) => {
  // GitHub's settings: strict, and the default limits.
  mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
  const answers = {};
  for (const [index, [name, text]] of Object.entries(texts).entries()) {
    try {
      await mermaid.parse(text);
      const { svg } = await mermaid.render(`picture${index}`, text);
      const document_ = new DOMParser().parseFromString(svg, "text/html");
      for (const line of document_.querySelectorAll("br")) line.replaceWith("\n");
      const labels = [...document_.querySelectorAll(".nodeLabel, .edgeLabel p, .cluster-label")];
      answers[name] = {
        labels: labels.map((label) => label.textContent),
        title: document_.querySelector("title")?.textContent,
        description: document_.querySelector("desc")?.textContent,
        scripts: document_.querySelectorAll("script, iframe, img, object").length,
        svg,
      };
    } catch (error) {
      answers[name] = { error: String(error.message ?? error) };
    }
  }
  const bytes = new TextEncoder().encode(JSON.stringify(answers));
  document.body.textContent = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  document.title = "done";
};

const folder = mkdtempSync(join(tmpdir(), "mermaid-"));
try {
  const page = join(folder, "page.html");
  const given = texts.replaceAll("<", "\\u003c");
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><body></body>` +
      `<script src="${pathToFileURL(library)}"></script><script>(${inPage})(${given});</script>`,
  );
  const flags = `--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --dump-dom
    --allow-file-access-from-files --virtual-time-budget=600000`.split(/\s+/);
  const done = spawnSync(
    chromium,
    [...flags, `--user-data-dir=${join(folder, "profile")}`, pathToFileURL(page).href],
    { encoding: "utf-8", maxBuffer: 2 ** 30 },
  );
  const hex = done.stdout?.match(/<body>([0-9a-f]+)<\/body>/)?.[1];
  if (hex === undefined) throw new Error(`no answer from the page: ${done.stderr ?? done.error}`);
  process.stdout.write(Buffer.from(hex, "hex"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
