import { defineConfig } from "vite";

// The names hold a hash of the content, so that browsers may keep the files for ever; the page itself names them.
export default defineConfig({
  base: "/console/",
  build: {
    target: "es2022",
    assetsDir: "",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
