// Writes the page of the API's description to standard output: one file that works without a network.
import { readFile } from "node:fs/promises";

const read = (path) => readFile(new URL(path, import.meta.url), "utf8");

/** Inside a script element only the end of one ends it. */
const inScript = (text) => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");

// Redoc's own footer would fetch its logo.
const LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

const [redoc, description] = await Promise.all([read("node_modules/redoc/bundles/redoc.standalone.js"), read("../openapi.json")]);
if (!redoc.includes(LOGO)) throw new Error("this version of redoc has no logo to take out: look what else it fetches");

const fonts = "system-ui, sans-serif";
const options = {
  hideDownloadButton: true,
  expandResponses: "200,201,202",
  schemasExpansionLevel: 1,
  sortRequiredPropsFirst: true,
  theme: { typography: { fontFamily: fonts, headings: { fontFamily: fonts }, code: { fontFamily: "ui-monospace, monospace" } } },
};

process.stdout.write(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fulcrum API</title>
<style>body { margin: 0 }</style>
</head>
<body>
<main id="api"></main>
<script>${inScript(redoc.replaceAll(LOGO, PIXEL).replace(/\n\/\/# sourceMappingURL=.*/, ""))}</script>
<script>Redoc.init(${inScript(JSON.stringify(JSON.parse(description)))}, ${JSON.stringify(options)}, document.getElementById("api"));</script>
</body>
</html>
`);
