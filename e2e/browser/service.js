// A local service for the tests: the command that FULCRUM_BINARY names, with the examples of the repository in its stores.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

/** The API key of the examples; it may do everything in their organization. */
export const KEY = "flk_ZXhhbXBsZSBrZXksIGxvY2FsIHN0b3JlcyBvbmx5ISE";
/** The optimization of the example that is trained. */
export const OPTIMIZATION = "00000001-0000-4000-8000-00000000000b";

/** Starts the service on free ports. `variables` is what its local.env holds, `link` the console with a code; `stop` ends it. */
export async function startService(...more) {
  const binary = process.env.FULCRUM_BINARY;
  if (!binary) throw new Error("FULCRUM_BINARY has to name the command, such as target/debug/fulcrum");
  const child = spawn(binary, ["local", "--ephemeral", "--with-examples", "--port", "0", ...more], {
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  child.once("error", () => {});
  let file, link;
  for await (const line of createInterface({ input: child.stdout })) {
    file ??= line.match(/^Environment\s+(.*)$/)?.[1];
    link ??= line.match(/^Console\s+(.*)$/)?.[1];
    if (line.startsWith("Ctrl-C")) break;
  }
  if (file === undefined) throw new Error(`${binary} ended before it was up`);
  child.stdout.resume();
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line && !line.startsWith("#"));
  const variables = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  return { variables, link, stop };
}
